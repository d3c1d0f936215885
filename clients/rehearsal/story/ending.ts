import { join } from 'node:path';
import { formatNumber, formatTime } from '../../../domain/format.js';
import { linesOf } from '../../cli/up/links.js';
import { readQuestions, requestHalves } from '../driver/questions.js';
import { askLive } from './ask-live.js';
import { dataFolderOf } from './replay.js';
import { chapter, type Teller } from './teller.js';

/** Ends the story: a live prediction by curl, the links, and what to try next. */
export async function tellEnding(teller: Teller): Promise<void> {
  const { screen, style, stack, definition, record } = teller;
  const { requests, failed } = record.told;
  if (requests > 0) {
    screen.say(
      `${formatNumber(requests)} requests were answered from the first hour to the last; ${failed === 0 ? 'none failed' : style.bad(`${formatNumber(failed)} failed`)}`,
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
  const { body, timeMs, actual } = await questionOfNow(teller, champion);
  const url = `${stack.gatewayUrl}/v2/models/${model}/infer`;
  chapter(teller, timeMs === null ? 'A live prediction' : `A live prediction for the hour that begins now, ${formatTime(timeMs)}`);
  const { command, answer } = await askLive({ url, body, token: stack.token, tokenFile: join(teller.world.home, 'token') });
  screen.say(command);
  screen.say(answer);
  const value = firstValue(answer);
  const unit = definition.target.unit ?? definition.target.column;
  const happened = actual === null ? '' : ` (what happened: ${formatNumber(actual)})`;
  if (value !== null) screen.say(`${style.bold(`${Math.round(value)} ${unit}`)}, predicted by ${champion}${happened}`);
}

type AskedNow = { readonly body: string; readonly timeMs: number | null; readonly actual: number | null };

/** The question of the hour that model time stands at; the version's own example when the data has no such hour. */
async function questionOfNow({ client, definition, world }: Teller, champion: string): Promise<AskedNow> {
  const { nowMs } = await client.api.clock(definition.name);
  const questions = await readQuestions(definition, dataFolderOf(world));
  const question = questions.get(nowMs);
  if (question === undefined) {
    const { inputs } = await client.api.example(definition.name, champion);
    return { body: JSON.stringify({ inputs }), timeMs: null, actual: null };
  }
  const [before, after] = requestHalves(definition, question);
  return { body: `${before}"you"${after}`, timeMs: nowMs, actual: question.actual };
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
