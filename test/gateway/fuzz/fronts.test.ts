import { afterAll, expect, test } from 'vitest';
import { unusual, usual } from '../support/front-cases.js';
import { answersOf, echo, inspect, openFronts, talk } from '../support/two-fronts.js';
import { mutate } from './mutate.js';
import { Random } from './random.js';
import { boundsOf } from './stage.js';

const bounds = boundsOf(2_000);
const fronts = await openFronts(echo);
afterAll(() => fronts.close());

/**
 * Whether two fronts answered alike. When something that cannot be read comes together with requests before it, it is a matter
 * of the moment in node:http whether those are answered before the refusal, and, where one of them is the last of its
 * connection, whether there is a refusal at all. So a front that refuses may have answered less than the other, when that
 * refuses too or has closed the connection.
 */
function agree(quick: string, plain: string): boolean {
  if (quick === plain) return true;
  const [one, other] = [readOf(quick), readOf(plain)];
  const [fewer, more] = one.answers.length < other.answers.length ? [one, other] : [other, one];
  if (!fewer.answers.every((answer, i) => answer === more.answers[i])) return false;
  if (fewer.refusal !== null && more.refusal !== null) return fewer.refusal === more.refusal;
  const closed = (front: typeof one) => front.refusal === null && front.answers.at(-1)?.includes('\r\nConnection: close\r\n') === true;
  if (fewer.answers.length < more.answers.length) return fewer.refusal !== null && closed(more);
  return (fewer.refusal !== null && closed(more)) || (more.refusal !== null && closed(fewer));
}

/** The answers to requests that could be read, and the refusal of what could not. */
function readOf(received: string): { readonly answers: readonly string[]; readonly refusal: string | null } {
  const answers = answersOf(received);
  const isRefused = answers.at(-1)?.includes('no HTTP request that can be read') === true;
  return { refusal: isRefused ? answers.pop()! : null, answers };
}

test(`whatever comes is answered as by node:http alone (seed ${bounds.seed})`, { timeout: 3_600_000 }, async () => {
  const texts = [...usual, ...unusual.filter(([, text]) => text.length < 1_000)].map(([, text]) => text);
  const endMs = Date.now() + bounds.durationMs;
  let next = 0;
  const lane = async () => {
    while (next < bounds.cases && Date.now() < endMs) {
      const random = new Random(bounds.seed * 5_000_011 + next++);
      const whole = Buffer.from(Array.from({ length: 1 + random.below(3) }, () => random.of(texts)).join(''), 'latin1');
      const bytes = random.below(8) === 0 ? whole : mutate(whole, random);
      const cuts = Array.from({ length: random.below(4) }, () => random.below(bytes.length + 1)).sort((a, b) => a - b);
      const pieces = [...cuts, bytes.length].map((cut, i) => bytes.subarray(cuts[i - 1] ?? 0, cut)).filter((piece) => piece.length > 0);
      const quick = await talk(fronts.quickUrl, pieces);
      const plain = await talk(fronts.plainUrl, pieces);
      if (!agree(quick, plain)) expect(quick, `case ${next} of seed ${bounds.seed}: ${inspect(pieces)}`).toBe(plain);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  expect(next).toBeGreaterThan(0);
});
