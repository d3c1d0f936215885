import { PerennialError } from '../../../domain/errors.js';
import { bearer } from '../../client/gateway-client.js';
import { httpJson } from '../../client/http-json.js';

type LabelAnswer = { readonly stored: number; readonly refused: readonly { readonly index: number; readonly reason: string }[] };
export type HourLabel = { readonly timeMs: number; readonly value: number; readonly predictionId: string | null };

/** Labels and captures at the gateway. */
export class GatewayFeedback {
  readonly #gatewayUrl: string;
  readonly #model: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor({ gatewayUrl, model, token }: { gatewayUrl: string; model: string; token: string }) {
    this.#headers = bearer(token);
    this.#gatewayUrl = gatewayUrl;
    this.#model = model;
  }

  /** Posts what really happened: by the id of a prediction, or by the question itself when nobody has asked for it. */
  async label({ timeMs, value, predictionId }: HourLabel): Promise<void> {
    const bySubject = { subject: String(timeMs), event_time_ms: timeMs, value };
    const first = await this.#post(predictionId === null ? bySubject : { id: predictionId, value });
    // Its capture may have been dropped (a full buffer, a killed gateway): the outcome itself is known all the same.
    const answer = first.stored === 0 && predictionId !== null ? await this.#post(bySubject) : first;
    const refused = answer.refused[0];
    if (refused !== undefined) {
      throw new PerennialError('Conflict', `The label of ${new Date(timeMs).toISOString()} was refused: ${refused.reason}`);
    }
  }

  /** Resolves when every capture so far is stored. */
  async flush(): Promise<void> {
    await httpJson({
      what: 'the gateway',
      url: new URL('/v2/captures/flush', this.#gatewayUrl),
      method: 'POST',
      headers: this.#headers,
      body: {},
    });
  }

  #post(label: Readonly<Record<string, unknown>>): Promise<LabelAnswer> {
    const url = new URL(`/v2/models/${encodeURIComponent(this.#model)}/labels`, this.#gatewayUrl);
    return httpJson<LabelAnswer>({ what: 'the gateway', url, method: 'POST', headers: this.#headers, body: { labels: [label] } });
  }
}
