import { writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { createDataActivities } from '../../activities/data.activities.js';
import { openTable, withScratch } from '../../activities/data/data-deps.js';
import { PerennialError } from '../../domain/errors.js';
import { computeFeatures } from '../../domain/feature-computation.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { outcomeHistory } from '../../domain/outcome-history.js';
import { context, type DataWorld, dataWorld, hourMs, rentals, rentalsCsv, rentalsEnd, rentalsLine } from './world.js';

const asOfMs = rentalsEnd - 2 * 24 * hourMs;
let world: DataWorld;
let activities: ReturnType<typeof createDataActivities>;

beforeEach(async () => {
  world = await dataWorld();
  world.source('rentals.csv', rentalsCsv());
  activities = createDataActivities(world);
});

/** The table with another line in one slot. */
const slot = (n: number, line: string) => (lines: string[]) => lines.map((old, i) => (i === n ? line : old));

const extract = (definition: TrainedDefinition = rentals, at = asOfMs) => activities.extractWindow({ ...context, definition, asOfMs: at });

async function failure(
  work: Promise<unknown>,
): Promise<PerennialError & { violations: { column?: string; rule: string; rows: number; example: string }[] }> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PerennialError)) throw new Error(`expected a PerennialError, got ${String(error)}`);
  return Object.assign(error, { violations: (error.details['violations'] ?? []) as never });
}

describe('extractWindow', () => {
  it('cuts the as-of window, half-open, and the outcomes before it that the features look back to', async () => {
    const dataset = await extract();
    expect(dataset).toMatchObject({ rows: 240, fromMs: asOfMs - 10 * 24 * hourMs, toMs: asOfMs });
    expect(dataset.columns).toEqual([
      { name: 'time', type: 'TIMESTAMP' },
      { name: 'temp', type: 'DOUBLE' },
      { name: 'open', type: 'BOOLEAN' },
      { name: 'kind', type: 'VARCHAR' },
      { name: 'rentals', type: 'BIGINT' },
    ]);
    await withScratch(world, [], async ({ folder, session }) => {
      const [span] = await session.rows(
        `SELECT epoch_ms(min(time)) AS first, epoch_ms(max(time)) AS last FROM ${await openTable(world, folder, dataset.object)}`,
      );
      expect(span).toEqual({ first: dataset.fromMs, last: asOfMs - hourMs });
      const [outcomes] = await session.rows(
        `SELECT epoch_ms(min(time)) AS first, epoch_ms(max(time)) AS last, count(*) AS n FROM ${await openTable(world, folder, dataset.outcomes!)}`,
      );
      expect(outcomes).toEqual({ first: dataset.fromMs - 24 * hourMs, last: asOfMs - hourMs, n: 264 });
    });
  });

  it('gives the same digest for the same rows in any order, and another for any other value', async () => {
    const { digest } = await extract();
    world.source(
      'rentals.csv',
      rentalsCsv((lines) => lines.toReversed()),
    );
    const again = await extract();
    expect(again.digest).toBe(digest);
    expect(again.reusedFrom).toBeUndefined();
    world.source(
      'rentals.csv',
      rentalsCsv((lines) => lines.map((line, i) => (i === 300 ? line.replace(/\d+$/, '1') : line))),
    );
    expect((await extract()).digest).not.toBe(digest);
  });

  it('is reused while file, query and as-of time stay, unless told not to', async () => {
    const first = await extract();
    const second = await activities.extractWindow({ ...context, run: 'run-2', definition: rentals, asOfMs });
    expect(second).toEqual({ ...first, reusedFrom: 'run-1' });
    const forced = await activities.extractWindow({ ...context, run: 'run-3', useCache: false, definition: rentals, asOfMs });
    expect(forced).toEqual(first);
    expect((await extract(rentals, asOfMs - hourMs)).reusedFrom).toBeUndefined();
  });

  it('refuses an empty window, and says what the source has', async () => {
    const error = await failure(extract(rentals, Date.UTC(2020, 0, 1)));
    expect(error).toMatchObject({ type: 'DataInvalid', retryable: false });
    expect(error.message).toMatch(/window of rentals is empty.*480 rows from 2024-01-01 00:00:00 to 2024-01-20 23:00:00/);
  });

  it('is Unavailable, to be tried again, when the file is not there', async () => {
    const error = await failure(extract({ ...rentals, source: { ...rentals.source, files: { rentals: 'elsewhere.csv' } } }));
    expect(error).toMatchObject({ type: 'Unavailable', retryable: true });
    expect(error.message).toMatch(/source file rentals \(elsewhere\.csv\)/);
  });

  it.each([
    ['does not parse', 'SELEC time FROM rentals', /syntax error/i],
    ['names an unknown column', 'SELECT tyme AS time FROM rentals', /tyme/],
    [
      'gives no event time',
      'SELECT temp, rentals FROM rentals',
      /event time of rentals, column time, is missing: the query gives temp, rentals/,
    ],
    ['gives an event time of text', 'SELECT CAST(time AS VARCHAR) AS time, rentals FROM rentals', /is VARCHAR/],
    ['reads another file', `SELECT * FROM read_csv('/etc/passwd')`, /query is refused/],
    ['is more than one statement', 'SELECT 1; DROP VIEW rentals', /query is refused/],
    ['loads an extension', `SELECT * FROM read_parquet('https://example.org/x.parquet')`, /query is refused/],
  ])('refuses a query that %s', async (_, query, reason) => {
    const error = await failure(extract({ ...rentals, source: { ...rentals.source, query } }));
    expect(error.type).toBe('DataInvalid');
    expect(error.message).toMatch(reason);
  });

  it('refuses rows of the future, whatever the as-of time', async () => {
    world.source(
      'rentals.csv',
      rentalsCsv((lines) => [...lines, '2126-05-01 00:00:00,0.5,true,a,50']),
    );
    const error = await failure(extract());
    expect(error).toMatchObject({
      type: 'DataInvalid',
      violations: [{ column: 'time', rule: 'future', rows: 1, example: '2126-05-01 00:00:00' }],
    });
  });
});

describe('checkData', () => {
  const check = async (change: (lines: string[]) => string[]) => {
    world.source('rentals.csv', rentalsCsv(change));
    return activities.checkData({ ...context, definition: rentals, dataset: await extract(), asOfMs });
  };

  it('reports the columns and the absent hours of data that is sound', async () => {
    const report = await check((lines) => lines.filter((_, i) => i < 300 || i >= 303));
    expect(report).toMatchObject({ rows: 237, absentSlots: 3 });
    expect(report.columns.map(({ name, nulls }) => [name, nulls])).toEqual([
      ['time', 0],
      ['temp', 0],
      ['open', 0],
      ['kind', 0],
      ['rentals', 0],
    ]);
    expect(report.columns[0]).toMatchObject({ min: '2024-01-09 00:00:00', max: '2024-01-18 23:00:00' });
  });

  it('lists every violation at once, each with its count and its first row', async () => {
    const error = await failure(
      check((lines) =>
        lines.map((line, i) => {
          if (i === 201 || i === 202) return line.replace(/,0\.\d+,/, ',,');
          if (i === 210) return line.replace(/,0\.\d+,/, ',1.5,');
          if (i === 220) return line.replace(/,[ab],/, ',c,');
          if (i === 230) return line.replace(/,\d+$/, ',-4');
          return i === 240 ? `${line}\n${line}` : line;
        }),
      ),
    );
    expect(error.type).toBe('DataInvalid');
    expect(error.violations.map(({ column, rule, rows }) => [column, rule, rows])).toEqual([
      ['temp', 'null', 2],
      ['temp', 'max', 1],
      ['kind', 'allowed', 1],
      ['rentals', 'min', 1],
      ['time', 'duplicate', 1],
    ]);
    expect(error.violations[0]!.example).toBe('row 10 (2024-01-09 09:00:00): null');
    expect(error.message).toMatch(/breaks 5 checks:\n/);
    expect(error.message).toMatch(/rentals: min, 1 row; expected at least 0, found row 39 \(2024-01-10 14:00:00\): -4/);
  });

  it.each<[string, (lines: string[]) => string[], object]>([
    [
      'a value of a wrong type',
      slot(250, '2024-01-11 10:00:00,warm,true,a,50'),
      { column: 'temp', rule: 'type', rows: 1, example: 'row 59 (2024-01-11 10:00:00): warm' },
    ],
    ['a null event time', slot(250, ',0.5,true,a,50'), { column: 'time', rule: 'null', rows: 1 }],
    ['a number that is not finite', slot(250, '2024-01-11 10:00:00,nan,true,a,50'), { column: 'temp', rule: 'notFinite', rows: 1 }],
    ['too few rows', (lines) => lines.slice(0, 200), { rule: 'tooFewRows', rows: 8 }],
  ])('refuses %s', async (_, change, violation) => {
    expect((await failure(check(change))).violations).toContainEqual(expect.objectContaining(violation));
  });

  it('refuses a missing column by name', async () => {
    const query = 'SELECT time, temp AS temperature, open, kind, rentals FROM rentals';
    const definition = { ...rentals, source: { ...rentals.source, query } };
    const error = await failure(activities.checkData({ ...context, definition, dataset: await extract(definition), asOfMs }));
    expect(error.violations).toEqual([
      {
        column: 'temp',
        rule: 'missing',
        rows: 240,
        expected: 'a column of type number',
        example: 'the query gives time, temperature, open, kind, rentals',
      },
    ]);
  });

  it('refuses rows at or after the as-of time', async () => {
    const dataset = await extract();
    const error = await failure(activities.checkData({ ...context, definition: rentals, dataset, asOfMs: asOfMs - 2 * hourMs }));
    expect(error.violations).toMatchObject([{ column: 'time', rule: 'future', rows: 2 }]);
  });
});

const tuning = {
  sampler: 'random',
  trials: 2,
  parallelism: 1,
  objective: 'mape',
  space: { num_leaves: { kind: 'int', low: 7, high: 31 } },
} as const;

describe('buildFeatures and splitFeatures', () => {
  const features = async () => activities.buildFeatures({ ...context, definition: rentals, dataset: await extract() });

  it('compute each row as serving does from the stored outcomes', async () => {
    const built = await features();
    expect(built).toMatchObject({
      rows: 240,
      target: 'rentals',
      features: rentals.features.map(({ name }) => name),
      toMs: asOfMs - hourMs + 1,
    });
    const served = await world.outcomes.range('rentals', 0, asOfMs);
    const history = outcomeHistory(served);
    await withScratch(world, [], async ({ folder, session }) => {
      const table = await openTable(world, folder, built.object);
      const { columns } = await session.numbers(
        `SELECT CAST(epoch_ms(time) AS DOUBLE) AS time, ${built.features.join(', ')} FROM ${table}`,
      );
      for (let row = 0; row < built.rows; row++) {
        const timeMs = columns[0]!.values[row]!;
        const slotOfRow = (timeMs - Date.UTC(2024, 0, 1)) / hourMs;
        const [, temp, open] = rentalsLine(slotOfRow).split(',');
        const expected = computeFeatures(rentals.features, { timeMs, inputs: { temp: Number(temp), open: open === 'true' } }, history);
        expect(columns.slice(1).map(({ values }) => values[row])).toEqual([...expected]);
        expect(expected.every(Number.isFinite)).toBe(true);
      }
    });
  });

  it('keep a row whose input is absent, as NaN in its place', async () => {
    world.source('rentals.csv', rentalsCsv(slot(250, '2024-01-11 10:00:00,,true,a,50')));
    const built = await features();
    await withScratch(world, [], async ({ folder, session }) => {
      const { columns } = await session.numbers(
        `SELECT temp, CAST(epoch_ms(time) AS DOUBLE) AS time FROM ${await openTable(world, folder, built.object)}`,
      );
      const absent = [...columns[0]!.values.keys()].filter((row) => Number.isNaN(columns[0]!.values[row]));
      expect(absent.map((row) => columns[1]!.values[row])).toEqual([Date.UTC(2024, 0, 11, 10)]);
      const [nulls] = await session.rows(`SELECT count(*) - count(temp) AS n FROM ${await openTable(world, folder, built.object)}`);
      expect(nulls).toEqual({ n: 0 });
    });
  });

  it('give serving no outcome of data that failed its checks: they are stored with the features', async () => {
    await extract();
    expect(world.served.size).toBe(0);
    const built = await features();
    expect(world.served.get('rentals')!.size).toBe(264);
    world.served.clear();
    expect((await features()).reusedFrom).toBe('run-1');
    expect(world.served.get('rentals')!.size).toBe(264);
    expect(built.reusedFrom).toBeUndefined();
  });

  it('split by time, in order, nothing shuffled and nothing lost', async () => {
    const built = await features();
    const tuned = { ...rentals, tuning };
    const split = await activities.splitFeatures({ ...context, definition: tuned, features: built });
    expect(await activities.splitFeatures({ ...context, definition: rentals, features: built })).toEqual({
      train: split.train,
      holdout: split.holdout,
    });
    expect([split.train.rows, split.holdout.rows, split.fit?.rows, split.validation?.rows]).toEqual([192, 48, 153, 39]);
    expect(split.train.toMs).toBeLessThanOrEqual(split.holdout.fromMs);
    expect(split.fit?.toMs).toBeLessThanOrEqual(split.validation?.fromMs ?? 0);
    expect([split.train.fromMs, split.holdout.toMs, split.validation?.toMs]).toEqual([built.fromMs, built.toMs, split.train.toMs]);
    const again = await activities.splitFeatures({ ...context, useCache: false, definition: tuned, features: built });
    expect(again).toEqual(split);
  });

  it('make the output again when its object is gone', async () => {
    const built = await features();
    const has = world.objects.has.bind(world.objects);
    const activitiesWithLoss = createDataActivities({
      ...world,
      objects: { ...world.objects, has: async (digest) => digest !== built.object.digest && has(digest) },
    });
    expect(await activitiesWithLoss.buildFeatures({ ...context, run: 'run-9', definition: rentals, dataset: built.dataset! })).toEqual(
      built,
    );
  });
});

describe('sources outside this machine', () => {
  const definition = { ...rentals, source: { ...rentals.source, files: { rentals: 's3://bucket/2024/rentals.csv' } } };

  it('are fetched where the environment can, and read like files', async () => {
    const fetched: string[] = [];
    const remote = createDataActivities({
      ...world,
      sourceFiles: {
        fetch: async (address, path) => {
          fetched.push(address);
          writeFileSync(path, rentalsCsv());
        },
      },
    });
    const { digest } = await extract();
    expect(await remote.extractWindow({ ...context, useCache: false, definition, asOfMs })).toMatchObject({ digest, rows: 240 });
    expect(fetched).toEqual(['s3://bucket/2024/rentals.csv']);
  });

  it('are refused, with what to do, where it cannot', async () => {
    const error = await failure(extract(definition));
    expect(error).toMatchObject({ type: 'DataInvalid' });
    expect(error.message).toMatch(/no S3 to read sources from; set it up, or name a file below the data folder/);
  });
});
