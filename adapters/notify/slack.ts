import type { Notice, Notifier } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';

/** Slack takes up to 3,000 characters in a text block. */
const longestBlock = 2_900;

export type SlackOptions = {
  /** Address of the incoming webhook: a secret, from configuration alone, and never in a message or an error. */
  readonly webhookUrl: string;
  readonly timeoutMs?: number;
};

/**
 * Sends messages to a Slack incoming webhook. `Unavailable` when Slack does not take one: retryable when it is away,
 * busy or slow, not retryable when it refuses the address (gone, revoked) or the message.
 */
export function createSlackNotifier({ webhookUrl, timeoutMs = 10_000 }: SlackOptions): Notifier {
  const url = parseWebhook(webhookUrl);
  return {
    name: 'slack',
    async send(notice) {
      const response = await post(url, notice, timeoutMs);
      if (response.ok) return;
      const answer = (await response.text().catch(() => '')).slice(0, 200);
      const busy = response.status === 429 || response.status >= 500;
      const advice = busy ? 'It is sent again later.' : 'Check the webhook in the configuration (PERENNIAL_SLACK_WEBHOOK).';
      throw new PerennialError('Unavailable', `Slack answered ${response.status} to "${notice.title}": ${answer || 'nothing'}. ${advice}`, {
        retryable: busy,
        details: { status: response.status, ...retryAfter(response) },
      });
    },
  };
}

function parseWebhook(webhookUrl: string): URL {
  if (!URL.canParse(webhookUrl))
    throw new PerennialError(
      'DataInvalid',
      'The Slack webhook (PERENNIAL_SLACK_WEBHOOK) is not an address; copy the whole https://hooks.slack.com/services/… from Slack.',
    );
  return new URL(webhookUrl);
}

async function post(url: URL, notice: Notice, timeoutMs: number): Promise<Response> {
  try {
    // A redirect would carry the message to an address that nobody configured.
    return await fetch(url, {
      method: 'POST',
      redirect: 'error',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(slackMessage(notice)),
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (cause) {
    const why = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : String(cause);
    throw new PerennialError('Unavailable', `Slack could not be reached for "${notice.title}": ${why}. It is sent again later.`);
  }
}

/** `text` is what a notification shows; the key tells repeats of one message. */
function slackMessage({ key, title, text }: Notice): unknown {
  const shown = text.length > longestBlock ? `${text.slice(0, longestBlock)}…` : text;
  return {
    text: escape(title),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: title.slice(0, 150) } },
      { type: 'section', text: { type: 'mrkdwn', text: `\`\`\`${escape(shown).replaceAll('```', "'''")}\`\`\`` } },
      { type: 'context', elements: [{ type: 'plain_text', text: key.slice(0, 150) }] },
    ],
  };
}

/** The three characters that Slack's markup gives a meaning. */
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function retryAfter(response: Response): { retryAfterMs?: number } {
  const seconds = Number(response.headers.get('retry-after'));
  return Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: seconds * 1_000 } : {};
}
