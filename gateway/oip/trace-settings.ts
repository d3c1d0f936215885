import { parseJsonBody } from '../http/json-body.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { invalid, RequestError } from '../http/request-error.js';
import { isObject, kindOf, quote } from './oip-request.js';

/** What decides which requests are traced: a share of those without a caller's trace, 0 to 1. */
export type Sampling = { ratio: number };

/** One of how many requests, where tracing is off and nobody has said. */
const defaultRate = 1_000;

/**
 * Which requests are traced: the protocol's trace extension over the gateway's sampling. Traces go where the process was
 * started to send them, for all models alike.
 */
export class TraceSettings {
  readonly #sampling: Sampling | null;
  readonly #initial: number;
  #rate: number;

  /** Null where the process has nowhere to send traces. */
  constructor(sampling: Sampling | null) {
    this.#sampling = sampling;
    this.#initial = sampling?.ratio ?? 0;
    this.#rate = rateOf(this.#initial) ?? defaultRate;
  }

  /** Whether there is anything to set. */
  get isThere(): boolean {
    return this.#sampling !== null;
  }

  /** `GET /v2[/models/{m}]/trace/setting`. */
  tell(): Reply {
    const isOn = (this.#sampling?.ratio ?? 0) > 0;
    return json(200, {
      trace_level: [isOn ? 'TIMESTAMPS' : 'OFF'],
      trace_rate: String(this.#rate),
      trace_count: '-1',
      log_frequency: '0',
      trace_file: '',
      trace_mode: 'opentelemetry',
    });
  }

  /** `POST /v2/trace/setting`: takes over the settings that are given, all of them or, when one is wrong, none. */
  change(body: Buffer, maxJsonDepth: number): Reply {
    const sampling = this.#sampling;
    if (sampling === null)
      throw new RequestError('notImplemented', 'this process has nowhere to send traces: start it with OTEL_EXPORTER_OTLP_ENDPOINT');
    const given = parseJsonBody(body, maxJsonDepth);
    if (!isObject(given)) throw invalid(`the trace settings are ${kindOf(given)}: a JSON object is expected`);
    for (const [name, value] of Object.entries(given)) if (name !== 'trace_level' && name !== 'trace_rate') checkFixed(name, value);
    const { trace_level: level, trace_rate: rate } = given;
    const isOn = level === undefined ? sampling.ratio > 0 : level === null ? this.#initial > 0 : readLevel(level);
    const newRate = rate === undefined ? this.#rate : rate === null ? (rateOf(this.#initial) ?? defaultRate) : readRate(rate);
    this.#rate = newRate;
    sampling.ratio = isOn ? 1 / newRate : 0;
    return this.tell();
  }
}

function rateOf(ratio: number): number | null {
  return ratio > 0 ? Math.max(1, Math.round(1 / ratio)) : null;
}

function readLevel(value: unknown): boolean {
  const levels: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (levels.length === 1 && levels[0] === 'OFF') return false;
  if (levels.length === 1 && levels[0] === 'TIMESTAMPS') return true;
  throw invalid(`trace_level is ${quote(value)}: ["OFF"] or ["TIMESTAMPS"] is expected; tensors are never traced, captures hold them`);
}

function readRate(value: unknown): number {
  const rate = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof rate !== 'number' || !Number.isSafeInteger(rate) || rate < 1)
    throw invalid(`trace_rate is ${quote(value)}: a whole number of 1 or more is expected, one of how many requests is traced`);
  return rate;
}

/** Settings that have one value here. */
function checkFixed(name: string, value: unknown): void {
  const fixed: Readonly<Record<string, string>> = { trace_count: '-1', log_frequency: '0', trace_file: '', trace_mode: 'opentelemetry' };
  if (!Object.hasOwn(fixed, name)) throw invalid(`${quote(name)} is no trace setting: trace_level and trace_rate are`);
  if (value !== null && (typeof value === 'number' ? String(value) : value) !== fixed[name])
    throw invalid(`${name} cannot be changed over the network: ${quote(fixed[name])} is what it is here, since traces go to OpenTelemetry`);
}
