import { isUtf8 } from 'node:buffer';

/** How the body of a captured request is written: as text where its type is one that monitors read, else in base64. */
export type BodyEncoding = 'CSV' | 'JSON' | 'BASE64';

/** A body as it was on the wire, content codings undone. */
export type ObservedBody = { readonly contentType: string; readonly body: string | Uint8Array };

/** One request with its answer; a side that is not wanted is null. */
export type CapturedRequest = {
  readonly input: ObservedBody | null;
  readonly output: ObservedBody | null;
  readonly eventId: string;
  /** The caller's own name for the request; null when it gave none. */
  readonly inferenceId: string | null;
  readonly attributes: readonly string[];
  readonly atMs: number;
};

/** A line of SageMaker's data capture (event version 0), with its line break. */
export function captureLine(request: CapturedRequest): string {
  const { input, output, eventId, inferenceId, attributes, atMs } = request;
  return `${JSON.stringify({
    captureData: {
      ...(input === null ? {} : { endpointInput: side('INPUT', input) }),
      ...(output === null ? {} : { endpointOutput: side('OUTPUT', output) }),
    },
    eventMetadata: {
      eventId,
      ...(attributes.length === 0 ? {} : { customAttributes: attributes }),
      ...(inferenceId === null ? {} : { inferenceId }),
      inferenceTime: `${new Date(atMs).toISOString().slice(0, 19)}Z`,
    },
    eventVersion: '0',
  })}\n`;
}

function side(mode: 'INPUT' | 'OUTPUT', { contentType, body }: ObservedBody): object {
  const encoding = encodingOf(contentType, body);
  return { observedContentType: contentType, mode, data: textOf(body, encoding), encoding };
}

/** Bytes that say they are text and are none (a JSON head with tensors behind it, say) are written in base64 as well. */
function encodingOf(contentType: string, body: string | Uint8Array): BodyEncoding {
  const type = contentType.split(';')[0]!.trim().toLowerCase();
  const named = type === 'text/csv' ? 'CSV' : isJson(type) ? 'JSON' : 'BASE64';
  return named === 'BASE64' || typeof body === 'string' || isUtf8(body) ? named : 'BASE64';
}

function isJson(type: string): boolean {
  return type === 'application/json' || type === 'application/jsonlines' || type.endsWith('+json');
}

function textOf(body: string | Uint8Array, encoding: BodyEncoding): string {
  if (encoding !== 'BASE64') return typeof body === 'string' ? body : bufferOf(body).toString('utf8');
  return (typeof body === 'string' ? Buffer.from(body) : bufferOf(body)).toString('base64');
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
