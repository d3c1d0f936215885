import { connect, type ClientHttp2Session, constants } from 'node:http2';
import protobuf from 'protobufjs';
import type { LoadResult, LoadSpec } from './load.js';
import { Loop } from './loop.js';
import { different, randomRows, width } from './payloads.js';

const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, HTTP2_HEADER_CONTENT_TYPE } = constants;

/**
 * The same closed loop over gRPC: each connection has one `ModelInfer` under way. HTTP/2 and prepared messages alone, no
 * gRPC client; even so the generator costs about as much as the server, so that the server's CPU says more than the rate.
 */
export async function loadGrpc(spec: LoadSpec): Promise<LoadResult> {
  const messages = framedRequests(spec.model, spec.payloads.rows);
  const loop = new Loop();
  const sessions: ClientHttp2Session[] = [];
  const ask = (session: ClientHttp2Session, index: number): void => {
    const sentMs = performance.now();
    const stream = session.request({
      [HTTP2_HEADER_METHOD]: 'POST',
      [HTTP2_HEADER_PATH]: '/inference.GRPCInferenceService/ModelInfer',
      [HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      te: 'trailers',
      'x-perennial-key': `caller-${index % messages.length}`,
    });
    let status = '';
    stream.on('response', (headers) => (status = String(headers['grpc-status'] ?? status)));
    stream.on('trailers', (headers) => (status = String(headers['grpc-status'] ?? status)));
    stream.on('error', (error) => loop.broke(error.message));
    stream.on('data', () => undefined);
    stream.on('close', () => {
      if (loop.stopped) return;
      loop.answered(status === '0' ? null : `gRPC status ${status}`, sentMs);
      ask(session, index + spec.connections);
    });
    stream.end(messages[index % messages.length]);
  };
  for (let i = 0; i < spec.connections; i++) {
    const session = connect(`http://127.0.0.1:${spec.port}`);
    session.on('error', (error) => loop.broke(error.message));
    session.on('connect', () => ask(session, i));
    sessions.push(session);
  }
  const result = await loop.measure(spec);
  for (const session of sessions) session.destroy();
  return result;
}

/** Requests as gRPC frames: a byte for "not packed", four of length, the message. */
function framedRequests(model: string, rows: number): Buffer[] {
  const { root } = protobuf.parse(`syntax = "proto3";
    message Tensor { string name = 1; string datatype = 2; repeated int64 shape = 3; }
    message Request { string model_name = 1; repeated Tensor inputs = 5; repeated bytes raw_input_contents = 7; }`);
  const type = root.lookupType('Request');
  return Array.from({ length: different(rows) }, () => {
    const values = randomRows(rows);
    const inputs = [{ name: 'features', datatype: 'FP32', shape: [rows, width] }];
    const message = type.encode({ modelName: model, inputs, rawInputContents: [Buffer.from(values.buffer)] }).finish();
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, 5);
    return frame;
  });
}
