import type { CaptureBuffer } from './capture-buffer.js';
import type { SampledFigure } from './sampled-figure.js';
import { counter, gauge } from './sampled-figure.js';

/** How the captures fare on their way to the store. */
export function captureFigures(captures: CaptureBuffer): readonly SampledFigure[] {
  return [
    gauge('gateway_captures_waiting', 'Captures not stored yet', () => captures.waiting),
    counter('gateway_captures_dropped_total', 'Captures given up because the store was too slow or away', () => captures.dropped),
    counter(
      'gateway_captures_sampled_out_total',
      'Requests not captured because they come faster than the store or this thread can take them',
      () => captures.sampledOut,
    ),
    counter('gateway_captures_written_total', 'Captures stored', () => captures.written),
  ];
}
