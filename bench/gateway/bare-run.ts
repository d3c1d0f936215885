import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { median } from '../report.js';
import { width } from './payloads.js';

/** Median of `session.run` of one row in this process, in milliseconds: what no server around it can be faster than. */
export async function bareRun(model: string, runs: number): Promise<number> {
  const session = await InferenceSession.create(readFileSync(model), { intraOpNumThreads: 1 });
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const features = new Tensor(
      'float32',
      Float32Array.from({ length: width }, () => Math.random() * 4 - 2),
      [1, width],
    );
    const from = performance.now();
    await session.run({ features });
    times.push(performance.now() - from);
  }
  await session.release();
  return median(times);
}
