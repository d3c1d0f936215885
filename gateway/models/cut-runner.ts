import { ownTurn } from '../own-turn.js';
import type { Runner } from './runner.js';
import type { NamedTensors, Tensor } from './tensors.js';
import { concatenate, sliceRows } from './tensors.js';

/** Cuts what has more than `maxRows` rows into several runs, each in a turn of its own. */
export function cutRuns(runner: Runner, maxRows: number): Runner {
  return {
    ...runner,
    run(feeds) {
      const rows = rowsOf(feeds);
      return rows <= maxRows ? runner.run(feeds) : inParts(runner, feeds, { rows, maxRows });
    },
  };
}

async function inParts(runner: Runner, feeds: NamedTensors, of: { rows: number; maxRows: number }): Promise<NamedTensors> {
  const parts: NamedTensors[] = [];
  for (let from = 0; from < of.rows; from += of.maxRows) {
    await ownTurn();
    const rows = Math.min(of.maxRows, of.rows - from);
    const outputs = await runner.run(mapped(feeds, (tensor) => sliceRows(tensor, from, rows)));
    for (const name in outputs) {
      const found = outputs[name]!.dims[0];
      if (found !== rows) throw new Error(`the model answers ${found} rows of ${name} where it was asked for ${rows}`);
    }
    parts.push(outputs);
  }
  const joined: Record<string, Tensor> = {};
  for (const name in parts[0]) joined[name] = concatenate(parts.map((part) => part[name]!));
  return joined;
}

function rowsOf(feeds: NamedTensors): number {
  for (const name in feeds) return feeds[name]!.dims[0] ?? 1;
  return 1;
}

function mapped(tensors: NamedTensors, change: (tensor: Tensor) => Tensor): NamedTensors {
  const result: Record<string, Tensor> = {};
  for (const name in tensors) result[name] = change(tensors[name]!);
  return result;
}
