import { join } from 'node:path';
import type { FeatureSet } from '../../contracts/activities.js';
import { PerennialError } from '../../domain/errors.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import type { TableSession } from '../ports.js';
import { type DataDeps, identifier, openTable, parquetType, timestamp } from './data-deps.js';

/** The parts of a split: `train` and `holdout` of all rows; for tuning, `fit` and `validation` of `train`. */
export type Split = {
  readonly train: FeatureSet;
  readonly holdout: FeatureSet;
  readonly fit?: FeatureSet;
  readonly validation?: FeatureSet;
};

/** Splits by event time, never shuffled: the last `1 - trainShare` is held out. Rows of one time stay on one side. */
export async function splitFeatures(
  deps: DataDeps,
  { definition, features }: { definition: TrainedDefinition; features: FeatureSet },
  { folder, session }: { folder: string; session: TableSession },
): Promise<Split> {
  const table = await openTable(deps, folder, features.object);
  const event = identifier(definition.eventTime);
  const { columns } = await session.numbers(`SELECT CAST(epoch_ms(${event}) AS DOUBLE) FROM ${table}`);
  const times = columns[0]!.values;
  const { trainShare } = definition.split;
  const all = { start: 0, end: times.length };
  const [train, holdout] = cut(times, all, trainShare);
  const [fit, validation] = cut(times, train, trainShare);

  const store = async (name: string, part: { start: number; end: number }): Promise<FeatureSet> => {
    if (part.end <= part.start) {
      throw new PerennialError(
        'DataInvalid',
        `${name} of ${definition.name} would have no rows: ${features.rows} rows cannot be split ${trainShare} to ${(1 - trainShare).toFixed(2)} twice by event time; lengthen window.days`,
      );
    }
    const path = join(folder, `${name}.parquet`);
    const fromMs = times[part.start]!;
    const toMs = times[part.end - 1]! + 1;
    // A half-open range of times keeps the order of the file, which is by time, and with it the bytes.
    const rows = await session.copy(
      `SELECT * FROM ${table} WHERE ${event} >= ${timestamp(fromMs)} AND ${event} < ${timestamp(toMs)}`,
      path,
    );
    return { ...features, object: await deps.objects.putFile(path, parquetType), rows, fromMs, toMs };
  };
  return {
    train: await store('train', train),
    holdout: await store('holdout', holdout),
    // Nothing else reads them, and at many rows writing them is dear.
    ...(definition.tuning === undefined ? {} : { fit: await store('fit', fit), validation: await store('validation', validation) }),
  };
}

type Range = { readonly start: number; readonly end: number };

/** The first `share` of a range of sorted times and the rest; the cut moves back to where the time changes. */
function cut(times: ArrayLike<number>, { start, end }: Range, share: number): [Range, Range] {
  let at = start + Math.floor((end - start) * share);
  while (at > start && at < end && times[at] === times[at - 1]) at--;
  return [
    { start, end: at },
    { start: at, end },
  ];
}
