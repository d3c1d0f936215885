import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { PerennialError } from '../../../domain/errors.js';
import { uploadLimits } from '../../api/upload-limits.js';
import { bytesText } from '../output/figures.js';
import { exportLines, foreignFolder, foreignModel } from './foreign-model.js';

export type OnnxFile = { readonly path: string; readonly bytes: number; readonly digest: string };

/** A file that may be ONNX, with its digest. `DataInvalid` with the way out for one that cannot be. */
export async function readOnnxFile(path: string): Promise<OnnxFile> {
  const found = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  if (found.isDirectory()) {
    const foreign = foreignFolder(await readdir(path));
    throw notOnnx(path, foreign?.what ?? 'a folder', foreign?.frameworks);
  }
  if (found.size === 0) throw new PerennialError('DataInvalid', `${path} is empty: export the model again.`);
  const foreign = foreignModel(path, await headOf(path));
  if (foreign !== null) throw notOnnx(path, foreign.what, foreign.frameworks);
  const most = uploadLimits['application/onnx'];
  if (found.size > most)
    throw new PerennialError('DataInvalid', `${path} has ${bytesText(found.size)}, and an ONNX file at most ${bytesText(most)}.`);
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  return { path, bytes: found.size, digest: `sha256:${hash.digest('hex')}` };
}

/** Demands that a file is JSON with this list in it: a request (`inputs`) or an answer (`outputs`) of the Open Inference Protocol. */
export async function demandProtocolJson(path: string, list: 'inputs' | 'outputs'): Promise<void> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const expected = `{"${list}":[{"name":…,"datatype":…,"shape":[…],"data":[…]}]}`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PerennialError('DataInvalid', `${path} is no JSON (${printable((cause as Error).message)}): ${expected} is expected.`, {
      cause,
    });
  }
  if (typeof value !== 'object' || value === null || !Array.isArray((value as Record<string, unknown>)[list]))
    throw new PerennialError('DataInvalid', `${path} has no list "${list}": ${expected} is expected.`);
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** What JSON.parse quotes of a file that is no text must not reach a terminal as it is. */
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]+/g, '·');

function notOnnx(path: string, what: string, frameworks?: Parameters<typeof exportLines>[0]): PerennialError {
  return new PerennialError('DataInvalid', `${path} is ${what}, and an ONNX file is expected. It is made by:\n${exportLines(frameworks)}`, {
    details: { path },
  });
}

function unreadable(path: string, cause: unknown): PerennialError {
  const { code } = cause as NodeJS.ErrnoException;
  const reason = code === 'ENOENT' ? 'there is no such file' : cause instanceof Error ? cause.message : String(cause);
  return new PerennialError('DataInvalid', `${path} cannot be read: ${reason}.`, { details: { path }, cause });
}
