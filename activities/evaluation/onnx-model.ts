import { InferenceSession, Tensor } from 'onnxruntime-node';
import { PerennialError } from '../../domain/errors.js';

/** A loaded model that answers one number a row. */
export type OnnxModel = {
  readonly input: string;
  readonly output: string;
  /** Predictions for row-major features, kept within `bounds`. NaN features are absent ones. */
  predict(matrix: Float32Array, width: number): Promise<Float64Array>;
  close(): Promise<void>;
};

export type OutputBounds = { readonly min?: number; readonly max?: number };

const batchRows = 8_192;

/** Loads an ONNX file in ONNX Runtime, as the gateway does: CPU, one thread. `ArtifactRejected` when it cannot be loaded or answers other than one float32 a row. */
export async function loadOnnx(bytes: Uint8Array, bounds: OutputBounds): Promise<OnnxModel> {
  const session = await guarded('cannot be loaded', () =>
    InferenceSession.create(bytes, { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 }),
  );
  const input = session.inputNames[0]!;
  const output = session.outputNames[0]!;
  const { min = -Infinity, max = Infinity } = bounds;
  return {
    input,
    output,
    async predict(matrix, width) {
      const rows = matrix.length / width;
      const predicted = new Float64Array(rows);
      for (let start = 0; start < rows; start += batchRows) {
        const end = Math.min(rows, start + batchRows);
        const features = new Tensor('float32', matrix.subarray(start * width, end * width), [end - start, width]);
        const answer = (await guarded('cannot be run', () => session.run({ [input]: features })))[output]!;
        if (answer.type !== 'float32' || answer.data.length !== end - start) {
          throw new PerennialError(
            'ArtifactRejected',
            `model.onnx answers ${answer.type} [${answer.dims.join(',')}] for ${end - start} rows: one float32 a row is expected in output ${output}`,
          );
        }
        // A bound keeps what is out of it, and leaves NaN what it is: no figure.
        predicted.set(
          Float64Array.from(answer.data as Float32Array, (value) => (value < min ? min : value > max ? max : value)),
          start,
        );
      }
      return predicted;
    },
    close: () => session.release(),
  };
}

async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new PerennialError(
      'ArtifactRejected',
      `model.onnx ${what} in ONNX Runtime: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** P95 of single-row inference in milliseconds of wall time, over `runs` runs after a warm-up, on rows of the matrix in turn. */
export async function singleRowP95Ms(
  model: OnnxModel,
  matrix: Float32Array,
  { width, runs }: { width: number; runs: number },
): Promise<number> {
  const rows = matrix.length / width;
  const one = (i: number) => model.predict(matrix.subarray((i % rows) * width, ((i % rows) + 1) * width), width);
  for (let i = 0; i < runs / 10; i++) await one(i);
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await one(i);
    times.push(performance.now() - start);
  }
  return percentile95(times);
}

/** The 95th percentile of one or more figures: the least of them that 95% do not exceed. */
export function percentile95(figures: readonly number[]): number {
  return Float64Array.from(figures).sort()[Math.ceil(figures.length * 0.95) - 1]!;
}
