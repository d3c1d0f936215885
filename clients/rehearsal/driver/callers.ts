import { Pool } from 'undici';
import { bearer } from '../../client/gateway-client.js';

/** What one hour's callers met. */
export type Answers = {
  readonly asked: number;
  readonly failed: number;
  /** Answers by version. */
  readonly byVersion: ReadonlyMap<string, VersionAnswers>;
  /** An id to post the label by; null when nobody was answered. */
  readonly predictionId: string | null;
  readonly firstFailure: string | null;
  readonly seconds: number;
};

export type VersionAnswers = { count: number; sum: number };

export type CallerOptions = { readonly gatewayUrl: string; readonly model: string; readonly callers: number; readonly token: string };

/**
 * Measured on two cores beside the gateway, hours of a thousand callers: 8 x 8 requests at a time give 9,400 a second, 8 x 2
 * give 7,300 with a third of the waiting. The canary judges latencies, and an hour a second needs 1,000.
 */
const connections = 8;
const pipelining = 2;
const answerWithinMs = 10_000;
const afterFailureMs = 100;

/**
 * Callers with keys of their own, each asking the gateway once an hour, over connections that stay open. Requests are
 * pipelined; one that fails is counted and never sent again.
 */
export class Callers {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #keys: readonly string[];
  readonly #headers: Record<string, string>;

  constructor({ gatewayUrl, model, callers, token }: CallerOptions) {
    this.#headers = { 'content-type': 'application/json', ...bearer(token) };
    this.#pool = new Pool(gatewayUrl, {
      connections,
      pipelining,
      keepAliveTimeout: 60_000,
      headersTimeout: answerWithinMs,
      bodyTimeout: answerWithinMs,
    });
    this.#path = `/v2/models/${encodeURIComponent(model)}/infer`;
    this.#keys = Array.from({ length: callers }, (_, index) => JSON.stringify(`caller-${index + 1}`));
  }

  /** Every caller asks the same question once. */
  async ask([before, after]: readonly [string, string]): Promise<Answers> {
    const since = performance.now();
    const byVersion = new Map<string, VersionAnswers>();
    let next = 0;
    let failed = 0;
    let predictionId: string | null = null;
    let firstFailure: string | null = null;
    const lane = async () => {
      while (next < this.#keys.length) {
        const key = this.#keys[next++] ?? '""';
        try {
          const { status, body } = await this.#post(before + key + after);
          const answer = status === 200 ? readAnswer(body) : null;
          if (answer === null) throw new Error(`the gateway answered ${status}: ${body.slice(0, 200)}`);
          const seen = byVersion.get(answer.version) ?? { count: 0, sum: 0 };
          seen.count += 1;
          seen.sum += answer.value;
          byVersion.set(answer.version, seen);
          predictionId ??= answer.id;
        } catch (error) {
          failed += 1;
          firstFailure ??= error instanceof Error ? error.message : String(error);
          await new Promise((resolve) => setTimeout(resolve, afterFailureMs));
        }
      }
    };
    await Promise.all(Array.from({ length: connections * pipelining }, lane));
    return { asked: this.#keys.length, failed, byVersion, predictionId, firstFailure, seconds: (performance.now() - since) / 1000 };
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #post(body: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      let status = 0;
      let text = '';
      this.#pool.dispatch(
        // Asking again for a prediction harms nobody, so the requests may share a pipeline.
        { path: this.#path, method: 'POST', headers: this.#headers, body, idempotent: true, blocking: false },
        {
          onRequestStart: () => undefined,
          onResponseStart: (_controller, statusCode) => {
            status = statusCode;
          },
          onResponseData: (_controller, chunk) => {
            text += chunk.toString('utf8');
          },
          onResponseEnd: () => resolve({ status, body: text }),
          onResponseError: (_controller, error) => reject(error),
        },
      );
    });
  }
}

/** The version, the prediction id and the first value of an answer; null when it is none. */
export function readAnswer(body: string): { version: string; id: string; value: number } | null {
  try {
    const {
      model_version: version,
      parameters,
      outputs,
    } = JSON.parse(body) as {
      model_version?: string;
      parameters?: { prediction_ids?: string };
      outputs?: { data: number[] }[];
    };
    const id = parameters?.prediction_ids?.split(',')[0];
    const value = outputs?.[0]?.data[0];
    return version === undefined || id === undefined || typeof value !== 'number' ? null : { version, id, value };
  } catch {
    return null;
  }
}
