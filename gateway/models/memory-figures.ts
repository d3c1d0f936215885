import type { GatewayConfig } from '../gateway-config.js';
import type { GatewayMetrics } from '../watching/metrics.js';
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
    { name: 'gateway_models_known', kind: 'gauge', help: 'Versions that are verified and tried', read: () => versions().length },
    { name: 'gateway_models_resident', kind: 'gauge', help: 'Versions in memory', read: () => memory.residents },
    {
      name: 'gateway_model_memory_bytes',
      kind: 'gauge',
      help: 'Memory of the versions in memory, as measured in their trials',
      read: () => memory.usedBytes,
    },
    {
      name: 'gateway_model_memory_budget_bytes',
      kind: 'gauge',
      help: 'Memory that versions may take together',
      read: () => memory.budgetBytes,
    },
    {
      name: 'gateway_queue_utilization',
      kind: 'gauge',
      help: 'The fullest queue of a version: 1 is where requests are answered 503',
      read: () => versions().reduce((most, { batcher }) => Math.max(most, batcher.pending / config.maxWaiting), 0),
    },
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
