import type { Gateway } from '../../../gateway/gateway.js';

/** An Open Inference Protocol request for the `twoNumbers` spec; `rows` are pairs (a, b). */
export function pairs(rows: readonly (readonly [number, number])[], more: Record<string, unknown> = {}): Record<string, unknown> {
  const n = rows.length;
  return {
    inputs: [
      { name: 'hour', datatype: 'INT64', shape: [n], data: rows.map((_, i) => 1_317_427_200_000 + i * 3_600_000) },
      { name: 'a', datatype: 'FP64', shape: [n], data: rows.map(([a]) => a) },
      { name: 'b', datatype: 'FP64', shape: [n, 1], data: rows.map(([, b]) => [b]) },
    ],
    ...more,
  };
}

export type InferAnswer = {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: { readonly variant: string; readonly model_version: string; readonly prediction_ids: string };
  readonly outputs: readonly {
    readonly name: string;
    readonly shape: number[];
    readonly datatype: string;
    readonly data: (number | boolean | string)[];
  }[];
  readonly error?: string;
};

/** Posts JSON and answers status, headers and body. */
export async function post<T = InferAnswer>(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; body: T }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parse(text) as T };
}

export async function get<T = Record<string, unknown>>(url: string): Promise<{ status: number; body: T }> {
  const response = await fetch(url);
  return { status: response.status, body: parse(await response.text()) as T };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Asks a model for one row. */
export function ask(gateway: Gateway, model: string, pair: readonly [number, number] = [1, 2]) {
  return post(`${gateway.url}/v2/models/${model}/infer`, pairs([pair]));
}

/** Waits until what is told holds; the test's own time limit ends it when it never does. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
