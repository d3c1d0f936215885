/** How a request's numbers travel. */
export type Format = 'json' | 'binary';

/** The request bodies of one measurement: so many different ones that no server meets the same twice in a row of thousands. */
export type Payloads = { readonly rows: number; readonly format: Format };

export const width = 20;
export const different = (rows: number): number => (rows === 1 ? 4_096 : rows <= 1_000 ? 1_024 : 8);

export function randomRows(rows: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: rows * width }, () => Math.random() * 4 - 2);
}

/** Whole HTTP requests for a path, ready to be written to a socket. Keys are the callers', one a request, for sticky routing. */
export function requests(path: string, { rows, format }: Payloads): Buffer[] {
  return Array.from({ length: different(rows) }, (_, index) => {
    const values = randomRows(rows);
    const { head, body } = format === 'json' ? jsonBody(rows, values) : binaryBody(rows, values);
    const lines = [
      `POST ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      `x-perennial-key: caller-${index}`,
      ...head,
      `Content-Length: ${body.length}`,
      '',
      '',
    ];
    return Buffer.concat([Buffer.from(lines.join('\r\n')), body]);
  });
}

function jsonBody(rows: number, values: Float32Array): { head: string[]; body: Buffer } {
  const input = { name: 'features', shape: [rows, width], datatype: 'FP32', data: Array.from(values) };
  return { head: ['Content-Type: application/json'], body: Buffer.from(JSON.stringify({ inputs: [input] })) };
}

function binaryBody(rows: number, values: Float32Array): { head: string[]; body: Buffer } {
  const input = { name: 'features', shape: [rows, width], datatype: 'FP32', parameters: { binary_data_size: values.byteLength } };
  const json = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  return {
    head: ['Content-Type: application/octet-stream', `Inference-Header-Content-Length: ${json.length}`],
    body: Buffer.concat([json, Buffer.from(values.buffer)]),
  };
}
