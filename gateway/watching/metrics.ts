import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { RequestErrorKind } from '../http/request-error.js';

/** Upper bounds of the latency buckets, in seconds. */
const latencyBuckets = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2.5, 5];

/** Figures of one version, with its labels bound. Times in seconds. */
export type VersionMetrics = {
  predicted(rows: number, seconds: number): void;
  failed(kind: RequestErrorKind, rows: number): void;
  batched(rows: number): void;
  loaded(seconds: number): void;
};

export type GatewayMetrics = {
  version(model: string, version: string): VersionMetrics;
  fellBack(model: string, version: string): void;
  shed(model: string, version: string): void;
  requestFailed(model: string, kind: RequestErrorKind): void;
  /** Prometheus text of everything, and its content type. */
  text(): Promise<string>;
  readonly contentType: string;
  clear(): void;
};

/** Gauges that are read when somebody asks. */
export type Gauges = {
  readonly capturesWaiting: () => number;
  readonly capturesDropped: () => number;
  readonly capturesWritten: () => number;
};

/** The gateway's Prometheus metrics, in a registry of their own. */
export function gatewayMetrics(gauges: Gauges): GatewayMetrics {
  const registers = [new Registry()];
  const registry = registers[0]!;
  collectDefaultMetrics({ register: registry });
  const labelNames = ['model_name', 'version'];
  const latency = new Histogram({
    name: 'model_prediction_latency_seconds',
    help: 'From the arrival of a request to its prediction, by the version that answered',
    labelNames,
    buckets: latencyBuckets,
    registers,
  });
  const predictions = new Counter({ name: 'model_predictions_total', help: 'Predicted rows', labelNames, registers });
  const errors = new Counter({
    name: 'model_prediction_errors_total',
    help: 'Rows without a prediction, by error',
    labelNames: [...labelNames, 'error_type'],
    registers,
  });
  const batchRows = new Histogram({
    name: 'gateway_batch_rows',
    help: 'Rows of one run',
    labelNames,
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers,
  });
  const loadSeconds = new Gauge({
    name: 'model_load_seconds',
    help: 'Last load of a version, with verification and warm-up',
    labelNames,
    registers,
  });
  const fallbacks = new Counter({
    name: 'gateway_fallbacks_total',
    help: 'Requests that the champion answered because this version could not',
    labelNames,
    registers,
  });
  const shed = new Counter({
    name: 'gateway_shadow_shed_total',
    help: 'Copies of requests that the shadow did not get',
    labelNames,
    registers,
  });
  const sampled = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  sampled('gateway_captures_waiting', 'Captures not stored yet', gauges.capturesWaiting);
  const counted = (name: string, help: string, read: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  counted('gateway_captures_dropped_total', 'Captures given up because the store was too slow or away', gauges.capturesDropped);
  counted('gateway_captures_written_total', 'Captures stored', gauges.capturesWritten);
  const known = new Map<string, VersionMetrics>();
  return {
    version(model, version) {
      const key = `${model} ${version}`;
      let bound = known.get(key);
      if (bound === undefined) {
        const histogram = latency.labels(model, version);
        const counter = predictions.labels(model, version);
        const batches = batchRows.labels(model, version);
        bound = {
          predicted(rows, seconds) {
            histogram.observe(seconds);
            counter.inc(rows);
          },
          failed: (kind, rows) => errors.labels(model, version, kind).inc(rows),
          batched: (rows) => batches.observe(rows),
          loaded: (seconds) => loadSeconds.labels(model, version).set(seconds),
        };
        known.set(key, bound);
      }
      return bound;
    },
    fellBack: (model, version) => fallbacks.labels(model, version).inc(),
    shed: (model, version) => shed.labels(model, version).inc(),
    requestFailed: (model, kind) => errors.labels(model, '', kind).inc(),
    text: () => registry.metrics(),
    contentType: registry.contentType,
    clear: () => registry.clear(),
  };
}
