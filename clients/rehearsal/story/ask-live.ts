import { spawnSync } from 'node:child_process';
import { bearer } from '../../client/gateway-client.js';

const answerWithinMs = 10_000;

export type LiveQuestion = {
  readonly url: string;
  readonly body: string;
  /** The API's token, which the gateway takes too, and the file that holds it. */
  readonly token: string;
  readonly tokenFile: string;
};

/** A command that can be pasted, and what the gateway answered to it. A gateway that wants a key is shown the token. */
export async function askLive({ url, body, token, tokenFile }: LiveQuestion): Promise<{ command: string; answer: string }> {
  const open = `curl -s ${url} -H 'content-type: application/json'`;
  const first = byCurl(url, body) ?? (await byFetch(url, body, {}));
  if (first.status !== 401) return { command: `${open} -d '${body}'`, answer: first.text };
  // Not by curl: what a program is started with, everybody on this machine can see.
  const { text } = await byFetch(url, body, bearer(token));
  return { command: `${open} -H "authorization: Bearer $(cat ${tokenFile})" -d '${body}'`, answer: text };
}

type Answer = { readonly status: number; readonly text: string };

/** As printed; null where there is no curl. */
function byCurl(url: string, body: string): Answer | null {
  const limits = ['-s', '--max-time', String(answerWithinMs / 1000), '-w', '\n%{http_code}'];
  const { status, stdout } = spawnSync('curl', [...limits, url, '-H', 'content-type: application/json', '-d', body], { encoding: 'utf8' });
  if (status !== 0) return null;
  const end = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(end + 1)), text: stdout.slice(0, end).trim() };
}

async function byFetch(url: string, body: string, more: Readonly<Record<string, string>>): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...more };
  const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(answerWithinMs) });
  return { status: response.status, text: (await response.text()).trim() };
}
