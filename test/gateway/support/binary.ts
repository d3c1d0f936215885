/** One tensor of a binary request: its bytes, or JSON data when there are none. */
export type BinaryTensor = {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly bytes?: ArrayBufferView;
  readonly data?: unknown;
};

/** A request body with binary tensors, and the header that goes with it. */
export function binaryBody(
  inputs: readonly BinaryTensor[],
  more: Record<string, unknown> = {},
): { body: Uint8Array; headers: Record<string, string> } {
  const head = {
    inputs: inputs.map(({ bytes, ...tensor }) =>
      bytes === undefined ? tensor : { ...tensor, parameters: { binary_data_size: bytes.byteLength } },
    ),
    ...more,
  };
  const text = Buffer.from(JSON.stringify(head));
  const tails = inputs.flatMap(({ bytes }) => (bytes === undefined ? [] : [Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)]));
  return {
    body: Buffer.concat([text, ...tails]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(text.length) },
  };
}

export type BinaryAnswer = {
  readonly status: number;
  readonly head: {
    readonly error?: string;
    readonly id?: string;
    readonly model_version?: string;
    readonly outputs: readonly {
      readonly name: string;
      readonly datatype: string;
      readonly shape: number[];
      readonly data?: unknown[];
      readonly parameters?: { readonly binary_data_size: number };
    }[];
  };
  /** Bytes of each binary output by its name, in memory of their own. */
  readonly bytes: Readonly<Record<string, Buffer>>;
  readonly headers: Headers;
};

/** Posts bytes and takes the answer apart, binary or not. */
export async function postBytes(url: string, body: Uint8Array, headers: Record<string, string>): Promise<BinaryAnswer> {
  const response = await fetch(url, { method: 'POST', body, headers });
  const answer = Buffer.from(await response.arrayBuffer());
  const length = response.headers.get('inference-header-content-length');
  const head = JSON.parse(answer.subarray(0, length === null ? answer.length : Number(length)).toString()) as BinaryAnswer['head'];
  const bytes: Record<string, Buffer> = {};
  let at = Number(length ?? answer.length);
  for (const output of head.outputs ?? []) {
    const size = output.parameters?.binary_data_size;
    if (size === undefined) continue;
    bytes[output.name] = Buffer.from(Uint8Array.from(answer.subarray(at, at + size)).buffer);
    at += size;
  }
  if (response.ok && at !== answer.length) throw new Error(`${answer.length - at} bytes of the answer belong to no output`);
  return { status: response.status, head, bytes, headers: response.headers };
}

/** Texts as BYTES: a 32-bit little-endian length before each. */
export function bytesOf(texts: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const bytes = Buffer.from(text as string);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** BYTES as texts. */
export function textsOf(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at);
    texts.push(bytes.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return texts;
}
