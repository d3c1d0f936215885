import { dirname, join } from 'node:path';
import { duckDbTables } from '../../../adapters/duckdb/session.js';
import { PerennialError } from '../../../domain/errors.js';
import type { TrainedDefinition } from '../../../domain/model-definition.js';

/** One question of the past: the request's fields at an event time, and what really happened. */
export type Question = {
  readonly timeMs: number;
  /** Values in the order of the definition's request fields. */
  readonly values: readonly number[];
  readonly actual: number;
};

/** The rows of a definition's own query as questions, by event time. The same source that training reads. */
export async function readQuestions(definition: TrainedDefinition, dataFolder: string): Promise<ReadonlyMap<number, Question>> {
  const { source, eventTime, serving, target } = definition;
  const files = Object.entries(source.files).map(([view, file]) => ({ view, path: join(dataFolder, file) }));
  const fields = serving.request.map(({ name }) =>
    name === eventTime ? timeOf(name) : `CAST(${quoted(name)} AS DOUBLE) AS ${quoted(name)}`,
  );
  const query = `SELECT ${timeOf(eventTime, 'event time')}, ${fields.join(', ')}, CAST(${quoted(target.column)} AS DOUBLE) AS "actual value"
    FROM (${source.query.trim().replace(/;\s*$/, '')}\n) ORDER BY 1`;
  try {
    return await duckDbTables().session([...new Set(files.map(({ path }) => dirname(path)))], async (session) => {
      for (const { view, path } of files) {
        await session.run(
          `CREATE VIEW ${quoted(view)} AS SELECT * FROM ${path.endsWith('.csv') ? 'read_csv' : 'read_parquet'}('${path.replaceAll("'", "''")}')`,
        );
      }
      const { rows, columns } = await session.numbers(query);
      const values = columns.map((column) => column.values);
      return new Map(
        Array.from({ length: rows }, (_, row): [number, Question] => {
          const cells = values.map((column) => column[row] ?? NaN);
          const timeMs = cells[0] ?? NaN;
          return [timeMs, { timeMs, values: cells.slice(1, -1), actual: cells.at(-1) ?? NaN }];
        }),
      );
    });
  } catch (cause) {
    throw new PerennialError(
      'Unavailable',
      `The past of ${definition.name} cannot be read for the replay: ${cause instanceof Error ? cause.message : String(cause)}. Its request fields must be columns of source.query.`,
      { cause, retryable: false },
    );
  }
}

/** A request of the Open Inference Protocol in two halves: the caller's key goes between them. */
export function requestHalves(definition: Pick<TrainedDefinition, 'serving'>, question: Question): readonly [string, string] {
  const inputs = definition.serving.request.map(({ name, datatype }, index) => ({
    name,
    datatype,
    shape: [1],
    data: [question.values[index]],
  }));
  return ['{"parameters":{"key":', `},"inputs":${JSON.stringify(inputs)}}`];
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const timeOf = (name: string, as = name): string => `CAST(epoch_ms(CAST(${quoted(name)} AS TIMESTAMP)) AS DOUBLE) AS ${quoted(as)}`;
