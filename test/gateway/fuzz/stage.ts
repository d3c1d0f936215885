import type { Gateway } from '../../../gateway/gateway.js';
import type { Stage } from '../support/stage.js';
import { identity, openStage, twoNumbers } from '../support/stage.js';

/** A gateway for every seed: a model with features, one of every kind of tensor, one that takes raw bodies. */
export async function fuzzedGateway(): Promise<{ stage: Stage; gateway: Gateway }> {
  const stage = await openStage();
  // No field may make the model overflow: an answer that is not finite would be the model's fault, and 500 by design.
  const request = [
    { name: 'hour', datatype: 'INT64' },
    { name: 'a', datatype: 'FP64', min: -1000, max: 1000 },
    { name: 'b', datatype: 'FP64', min: -1e6, max: 1e6 },
  ] as const;
  await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear', spec: { ...twoNumbers, request } });
  await stage.addFixture('mixed');
  await stage.addLive({ model: 'plain', version: '1.0.0', onnx: 'identity-float', spec: identity });
  const gateway = await stage.start({ grpcPort: 0, headersTimeoutMs: 2_000, requestTimeoutMs: 2_000, drainLimitMs: 2_000 });
  return { stage, gateway };
}

/** How long and from which seed: `npm run fuzz -- --seconds 60 --seed 7`. In CI a fixed number of cases from a fixed seed. */
export type Bounds = { readonly seed: number; readonly cases: number; readonly durationMs: number };

export function boundsOf(casesInCi: number): Bounds {
  const seconds = Number(process.env['FUZZ_SECONDS'] ?? 0);
  const seed = Number(process.env['FUZZ_SEED'] ?? 1);
  return seconds > 0 ? { seed, cases: Infinity, durationMs: seconds * 1_000 } : { seed, cases: casesInCi, durationMs: Infinity };
}
