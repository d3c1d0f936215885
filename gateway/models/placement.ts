import type { DeviceNeed } from '../../domain/devices.js';
import type { GatewayConfig } from '../gateway-config.js';

/** What a model costs, as measured in its trial. Times in milliseconds. */
export type ModelCost = {
  readonly loadMs: number;
  /** One run of a small request, and what each further row of a run adds. */
  readonly runMs: number;
  readonly rowMs: number;
  /** The most rows of one run that cost no more a row than fewer do. */
  readonly bestRows: number;
  /** Memory of one loaded copy, and the most that its first runs took. */
  readonly bytes: number;
  readonly peakBytes: number;
};

/** What computes a model: ONNX Runtime, or, for tree ensembles that were proved to answer the same, trees compiled by the gateway. */
export type Engine = 'onnxRuntime' | 'compiledTrees';

/** Where a model runs, and why. */
export type Placement = {
  readonly where: 'inPlace' | 'thread';
  /** Threads that each hold a copy; 0 in place. */
  readonly threads: number;
  /** Runs at the same time: one a thread; in place as many as one turn of the event loop bears, one after the other. */
  readonly lanes: number;
  /** Most rows of one run. */
  readonly maxRows: number;
  /** Memory of all its copies. */
  readonly bytes: number;
  /** What it is given of an accelerator; null on the CPU. */
  readonly device: DeviceNeed | null;
  readonly because: string;
};

export type PlacementLimits = Pick<
  GatewayConfig,
  'inPlaceMaxMs' | 'inPlaceLoadMaxMs' | 'inPlaceTurnMs' | 'threadRunMs' | 'maxThreads' | 'maxBatchRows' | 'memoryBudgetBytes'
>;

/** Memory of a thread besides its model: its own JavaScript heap and stacks, as measured with Node 20. */
export const threadBytes = 12 * 1024 * 1024;
/** A full queue of cheap requests is emptied in one turn of the event loop. */
const mostRunsATurn = 8;
/** Part of the memory budget that the copies of one version may take. */
const shareOfOne = 4;

/**
 * A model that is cheaper to run than to hand over runs in place; any other in threads, as many as there are cores to
 * spare and as its copies are cheap to hold. No run of several rows takes longer than its place can bear.
 */
export function placeModel(cost: ModelCost, limits: PlacementLimits, engine: Engine = 'onnxRuntime'): Placement {
  const { runMs, rowMs, loadMs, bytes } = cost;
  const told = `a run${engine === 'compiledTrees' ? ' of the compiled trees' : ''} takes ${rounded(runMs)} ms`;
  const rowsWithin = (ms: number): number =>
    Math.max(1, Math.min(limits.maxBatchRows, cost.bestRows, Math.floor((ms - runMs) / Math.max(rowMs, 1e-6)) + 1));
  const cheap = runMs <= limits.inPlaceMaxMs;
  // Trees are read with turns of the event loop in between.
  if (cheap && (engine === 'compiledTrees' || loadMs <= limits.inPlaceLoadMaxMs)) {
    const maxRows = rowsWithin(limits.inPlaceTurnMs);
    return {
      where: 'inPlace',
      threads: 0,
      lanes: Math.max(1, Math.min(mostRunsATurn, Math.floor(limits.inPlaceTurnMs / (runMs + rowMs * (maxRows - 1))))),
      maxRows,
      bytes,
      device: null,
      because: `${told}, at most ${limits.inPlaceMaxMs} ms run in place`,
    };
  }
  const copies = Math.max(1, Math.floor(limits.memoryBudgetBytes / shareOfOne / (bytes + threadBytes)));
  const threads = cheap ? 1 : Math.max(1, Math.min(limits.maxThreads, copies));
  const why = cheap
    ? `${told}, but loading it would stop the event loop for ${rounded(loadMs)} ms (at most ${limits.inPlaceLoadMaxMs} ms)`
    : `${told}, more than the ${limits.inPlaceMaxMs} ms that run in place`;
  const bound = cheap
    ? 'one thread is enough'
    : `${threads} ${threads === 1 ? 'thread' : 'threads'} of at most ${limits.maxThreads}${copies < limits.maxThreads ? `, memory for ${copies}` : ''}`;
  return {
    where: 'thread',
    threads,
    lanes: threads,
    maxRows: rowsWithin(limits.threadRunMs),
    bytes: threads * (bytes + threadBytes),
    device: null,
    because: `${why}; ${bound}`,
  };
}

function rounded(ms: number): string {
  return ms >= 10 ? ms.toFixed(0) : ms.toFixed(3);
}
