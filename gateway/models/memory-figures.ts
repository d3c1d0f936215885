import type { GatewayConfig } from '../gateway-config.js';
import type { GatewayMetrics } from '../watching/metrics.js';
import { gauge } from '../watching/sampled-figure.js';
import type { HostedVersion } from './hosted-version.js';
import type { ModelMemory } from './model-memory.js';

export type MemoryFigures = { unloaded(version: HostedVersion, why: 'evicted' | 'idle'): void };

export type FiguresOf = {
  readonly memory: ModelMemory;
  readonly config: Pick<GatewayConfig, 'maxWaiting'>;
  /** Every version that is known now. */
  versions(): readonly HostedVersion[];
};

/** What an autoscaler and an operator want to know of the models in memory, told with the gateway's metrics. */
export function memoryFigures(metrics: GatewayMetrics, { memory, config, versions }: FiguresOf): MemoryFigures {
  const unloads = { evicted: 0, idle: 0 };
  metrics.sample(
    gauge('gateway_models_known', 'Versions that are verified and tried', () => versions().length),
    gauge('gateway_models_resident', 'Versions in memory', () => memory.residents),
    gauge('gateway_model_memory_bytes', 'Memory of the versions in memory, as measured in their trials', () => memory.usedBytes),
    gauge('gateway_model_memory_budget_bytes', 'Memory that versions may take together', () => memory.budgetBytes),
    gauge('gateway_queue_utilization', 'The fullest queue of a version: 1 is where requests are answered 503', () =>
      versions().reduce((most, { batcher }) => Math.max(most, batcher.pending / config.maxWaiting), 0),
    ),
  );
  metrics.also((text) => {
    const family = text.family(
      'gateway_model_unloads_total',
      'counter',
      'Versions released to make room, or because nobody asked for them',
    );
    for (const why of ['evicted', 'idle'] as const) family.add({ why }, unloads[why]);
  });
  return { unloaded: (_, why) => void unloads[why]++ };
}
