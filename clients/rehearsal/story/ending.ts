import { spawnSync } from 'node:child_process';
import { formatNumber } from '../../../domain/format.js';
import { linesOf } from '../../cli/up/links.js';
import { chapter, type Teller } from './teller.js';

const answerWithinSeconds = 10;

/** Ends the story: a live prediction by curl, the links, and what to try next. */
export async function tellEnding(teller: Teller): Promise<void> {
  const { screen, style, stack, definition, record } = teller;
  const { requests, failed } = record.told;
  if (requests > 0) {
    screen.say(
      `${formatNumber(requests)} requests were answered while it went on; ${failed === 0 ? 'none failed' : style.bad(`${formatNumber(failed)} failed`)}`,
    );
  }
  await tellPrediction(teller);
  chapter(teller, 'Where things are');
  for (const line of linesOf(stack)) screen.say(line);
  chapter(teller, 'Try next, in another terminal');
  for (const command of [
    `./perennial status ${definition.name}`,
    `./perennial versions ${definition.name}`,
    `./perennial show models:/${definition.name}@champion`,
    `./perennial rollback ${definition.name} --reason "to see it happen"`,
    `./perennial audit --model ${definition.name} --verify`,
  ]) {
    screen.say(`  ${command}`);
  }
}

async function tellPrediction(teller: Teller): Promise<void> {
  const { client, definition, screen, stack, style } = teller;
  const model = definition.name;
  const status = await client.status(model);
  const champion = status.aliases.champion;
  if (champion === undefined) {
    screen.say(`${style.warn('!')} nothing is live, so there is nothing to ask`);
    return;
  }
  const { inputs } = await client.api.example(model, champion);
  const body = JSON.stringify({ inputs });
  const url = `${stack.gatewayUrl}/v2/models/${model}/infer`;
  chapter(teller, 'A live prediction');
  screen.say(`curl -s ${url} -H 'content-type: application/json' -d '${body}'`);
  const answer = await asked(url, body);
  screen.say(answer);
  const value = firstValue(answer);
  if (value !== null) screen.say(`${style.bold(formatNumber(value))} ${definition.target.unit ?? definition.target.column}, by ${champion}`);
}

/** By curl itself, as printed; by fetch where there is no curl. */
async function asked(url: string, body: string): Promise<string> {
  const curl = spawnSync('curl', ['-s', '--max-time', String(answerWithinSeconds), url, '-H', 'content-type: application/json', '-d', body], {
    encoding: 'utf8',
  });
  if (curl.status === 0) return curl.stdout.trim();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    signal: AbortSignal.timeout(answerWithinSeconds * 1000),
  });
  return (await response.text()).trim();
}

function firstValue(answer: string): number | null {
  try {
    const { outputs } = JSON.parse(answer) as { outputs?: { data?: unknown[] }[] };
    const value = outputs?.[0]?.data?.[0];
    return typeof value === 'number' ? value : null;
  } catch {
    return null;
  }
}
