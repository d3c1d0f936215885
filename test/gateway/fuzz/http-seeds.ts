import { gzipSync } from 'node:zlib';
import { pairs } from '../support/requests.js';

/** A valid HTTP request in parts, so that its body can be changed without breaking its length. */
export type HttpSeed = { readonly line: string; readonly headers: readonly string[]; readonly body: Buffer };

/** The request as it goes over the wire; the length is that of the body. */
export function wire({ line, headers, body }: HttpSeed): Buffer {
  const length = headers.some((header) => header.startsWith('Transfer-Encoding')) ? [] : [`Content-Length: ${body.length}`];
  const head = [`${line} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...length, ...headers].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body]);
}

const post = (path: string, body: unknown, headers: readonly string[] = []): HttpSeed => ({
  line: `POST ${path}`,
  headers,
  body: Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
});
const get = (path: string): HttpSeed => ({ line: `GET ${path}`, headers: [], body: Buffer.alloc(0) });

const question = pairs([
  [1, 2],
  [3, 4],
]);
const row = { hour: 1_317_427_200_000, a: 1, b: 2 };
const mixed = {
  inputs: [
    { name: 'b', datatype: 'INT64', shape: [1], data: [9_007_199_254_740_991] },
    { name: 'flag', datatype: 'BOOL', shape: [1], data: [true] },
    { name: 'word', datatype: 'BYTES', shape: [1], data: ['xyz'] },
  ],
};
const binaryHead = JSON.stringify({
  inputs: [{ name: 'a', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }, ...mixed.inputs.slice(0, 2), word()],
  outputs: [{ name: 'total', parameters: { binary_data: true } }],
});
const binary = Buffer.concat([
  Buffer.from(binaryHead),
  Buffer.from(new Float32Array([1, 2]).buffer),
  Buffer.from([3, 0, 0, 0, 0x78, 0x79, 0x7a]),
]);

function word(): unknown {
  return { name: 'word', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 7 } };
}

/** A chunked body of chunks of six bytes. */
function chunked(text: string): Buffer {
  const parts = text.match(/.{1,6}/gs)!.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
  return Buffer.from(`${parts.join('')}0\r\n\r\n`);
}

const binaryHeaders = [`Inference-Header-Content-Length: ${Buffer.byteLength(binaryHead)}`, 'Content-Type: application/octet-stream'];

/** One request of each protocol and form that the gateway takes over HTTP. */
export const httpSeeds: readonly HttpSeed[] = [
  post('/v2/models/demand/infer', question, ['Content-Type: application/json']),
  post('/v2/models/demand/versions/1.0.0/infer?x=1', {
    id: '7',
    parameters: { key: 'k', priority: 1, timeout: 5_000_000, binary_data_output: true },
    ...question,
    outputs: [{ name: 'value', parameters: { classification: 1 } }],
  }),
  post('/v2/models/demand/infer', chunked(JSON.stringify(question)), ['Transfer-Encoding: chunked']),
  post('/v2/models/demand/infer', gzipSync(JSON.stringify(question)), ['Content-Encoding: gzip', 'Accept-Encoding: gzip;q=0.5, deflate']),
  post('/v2/models/mixed/infer', { inputs: [{ name: 'a', datatype: 'FP32', shape: [1, 2], data: [[1, 2]] }, ...mixed.inputs] }),
  post('/v2/models/mixed/infer', binary, binaryHeaders),
  post('/v2/models/plain/infer', Buffer.from(new Float32Array([1, 2, 3, 4]).buffer), ['Inference-Header-Content-Length: 0']),
  post('/v2/models/demand/generate', row),
  post('/v2/models/demand/infer_stream', question),
  post('/v2/models/demand/generate_stream', row),
  post('/v2/models/demand/jobs', { ...question, id: 'job' }),
  post('/v2/models/demand/labels', { labels: [{ subject: '1317427200000', event_time_ms: 1_317_427_200_000, value: 3 }] }),
  post('/v1/models/demand:predict', { instances: [row, row] }),
  post('/v1/models/demand/versions/1.0.0:predict', { inputs: { hour: [1], a: [1], b: [2] } }),
  post('/endpoints/demand/invocations', '1317427200000,1,2\n1317427200000,3,"4"\n', [
    'Content-Type: text/csv',
    'Accept: text/csv',
    'X-Amzn-SageMaker-Custom-Attributes: a=b',
    'X-Amzn-SageMaker-Session-Id: s',
    'X-Amzn-SageMaker-Inference-Id: i',
    'X-Amzn-SageMaker-Target-Variant: champion',
  ]),
  post('/endpoints/demand/invocations', `${JSON.stringify(row)}\n${JSON.stringify(row)}\n`, ['Content-Type: application/jsonlines']),
  post('/endpoints/demand/invocations-response-stream', question),
  post('/endpoints/demand/invocations', question, ['X-Amzn-SageMaker-Session-Id: NEW_SESSION']),
  post('/v2/repository/index', { ready: true }),
  post('/v2/logging', { log_verbose_level: 0 }),
  ...['/', '/v2', '/v2/health/live', '/v2/health/ready', '/v2/models', '/v2/models/demand', '/v2/models/demand/versions/1.0.0/ready'].map(
    get,
  ),
  ...['/v2/models/demand/config', '/v2/models/demand/stats', '/v2/models/demand/route', '/v1/models/demand', '/v2/jobs/x', '/metrics'].map(
    get,
  ),
];
