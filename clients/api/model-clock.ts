import type { ModelClock } from './answers.js';
import type { ApiRegistry } from './registry.js';

/** A model is on a driven clock when a clock of its name exists in Postgres, else on the live one. */
export async function modelClock(registry: Pick<ApiRegistry, 'drivenClock'>, model: string): Promise<ModelClock> {
  const drivenMs = await registry.drivenClock(model);
  return drivenMs === null ? { clock: { kind: 'live' }, nowMs: Date.now() } : { clock: { kind: 'driven', name: model }, nowMs: drivenMs };
}
