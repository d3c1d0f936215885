import type { CaptureBuffer } from './capture-buffer.js';
import type { SampledFigure } from './metrics.js';

/** How the captures fare on their way to the store. */
export function captureFigures(captures: CaptureBuffer): readonly SampledFigure[] {
  return [
    { name: 'gateway_captures_waiting', kind: 'gauge', help: 'Captures not stored yet', read: () => captures.waiting },
    {
      name: 'gateway_captures_dropped_total',
      kind: 'counter',
      help: 'Captures given up because the store was too slow or away',
      read: () => captures.dropped,
    },
    {
      name: 'gateway_captures_sampled_out_total',
      kind: 'counter',
      help: 'Requests not captured because they come faster than the store or this thread can take them',
      read: () => captures.sampledOut,
    },
    { name: 'gateway_captures_written_total', kind: 'counter', help: 'Captures stored', read: () => captures.written },
  ];
}
