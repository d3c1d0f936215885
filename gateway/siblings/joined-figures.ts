import type { Reply } from '../http/reply.js';
import type { SiblingAnswer } from './siblings.js';

/** Prometheus text of several processes as one: each sample says which process it is of, in the label `process`. */
export function joinExpositions(own: { index: number; text: string }, others: readonly { index: number; text: string }[]): string {
  const families = new Map<string, { head: string[]; samples: string[] }>();
  for (const { index, text } of [own, ...others]) {
    let family = { head: [] as string[], samples: [] as string[] };
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const told = /^# (HELP|TYPE) (\S+)/.exec(line);
      if (told === null) {
        family.samples.push(withProcess(line, index));
        continue;
      }
      const name = told[2]!;
      const known = families.get(name);
      if (known === undefined) families.set(name, (family = { head: [line], samples: [] }));
      else {
        family = known;
        if (!known.head.some((head) => head.startsWith(`# ${told[1]} `))) known.head.push(line);
      }
    }
  }
  return [...families.values()].map(({ head, samples }) => `${[...head, ...samples].join('\n')}\n`).join('');
}

function withProcess(sample: string, index: number): string {
  const label = `process="${index}"`;
  const space = sample.indexOf(' ');
  const brace = sample.indexOf('{');
  if (brace < 0 || (space >= 0 && space < brace)) return `${sample.slice(0, space)}{${label}}${sample.slice(space)}`;
  return `${sample.slice(0, brace + 1)}${label}${sample[brace + 1] === '}' ? '' : ','}${sample.slice(brace + 1)}`;
}

/** Triton's statistics of several processes as one: counts and times add up, by model and version and by size of batch. */
export function joinStatistics(own: Reply, others: readonly SiblingAnswer[]): Reply {
  if (own.status !== 200) return own;
  const all = [own, ...others.filter(({ status }) => status === 200)].map(({ body }) => JSON.parse(String(body)) as Statistics);
  const versions = new Map<string, Figures>();
  for (const { model_stats } of all)
    for (const figures of model_stats) {
      const key = `${figures.name} ${figures.version}`;
      const known = versions.get(key);
      versions.set(key, known === undefined ? figures : addFigures(known, figures));
    }
  return { ...own, body: JSON.stringify({ model_stats: [...versions.values()] }) };
}

/** Two statistics of the same form as one: counts and times added, batches by their size. */
export function addFigures<T>(one: T, other: T): T {
  return added(one, other) as T;
}

type Figures = { readonly name: string; readonly version: string };
type Statistics = { readonly model_stats: readonly Figures[] };

/** Two figures of the same form: numbers added, moments the later one, batches by their size, memory by its device, texts as they are. */
function added(a: unknown, b: unknown, name = ''): unknown {
  if (typeof a === 'number' && typeof b === 'number')
    return name === 'last_inference' ? Math.max(a, b) : name === 'batch_size' || name === 'id' ? a : a + b;
  if (Array.isArray(a) && Array.isArray(b)) return addedParts([...a, ...b] as Part[]);
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a;
  const other = b as Record<string, unknown>;
  return Object.fromEntries(Object.entries(a).map(([field, value]) => [field, added(value, other[field], field)]));
}

/** Figures of a batch's size, or of a device. */
type Part = { readonly batch_size?: number; readonly id?: number };

function addedParts(parts: readonly Part[]): unknown[] {
  const order = ({ batch_size, id }: Part): number => batch_size ?? id ?? 0;
  const sums = new Map<number, Part>();
  for (const part of parts) {
    const known = sums.get(order(part));
    sums.set(order(part), known === undefined ? part : (added(known, part) as Part));
  }
  return [...sums.values()].sort((a, b) => order(a) - order(b));
}
