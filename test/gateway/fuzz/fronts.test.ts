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
 * Whether two fronts answered alike. Where something that cannot be read comes together with requests before it, it is a matter
 * of the moment in node:http whether those are answered before the refusal, and whether there is one behind a last answer: so one
 * may have answered more than the other when both refuse, and one may refuse when both have closed the connection.
 */
function agree(quick: string, plain: string): boolean {
  if (quick === plain) return true;
  const [one, other] = [answersOf(quick), answersOf(plain)];
  const refused = [one, other].map((answers) => answers.at(-1)?.includes('no HTTP request that can be read') === true && answers.pop());
  const [fewer, more] = one.length < other.length ? [one, other] : [other, one];
  if (!fewer.every((answer, i) => answer === more[i])) return false;
  if (refused[0] === refused[1]) return refused[0] !== false;
  return fewer.length === more.length && fewer.at(-1)?.includes('\r\nConnection: close\r\n') === true;
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
