import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { invalid } from '../http/request-error.js';
import type { BodyReader } from '../oip/body-reader.js';
import { restored } from '../oip/condensed-request.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import { instanceOf } from '../sagemaker/request-body.js';
import { fromInstances } from '../oip/instances.js';
import { fromCsv, isCsvHeader } from '../sagemaker/sagemaker-csv.js';
import { rowsOf, someRows } from '../streams/request-rows.js';
import type { JobInput } from './job-record.js';
import type { KeptJson } from './kept-json.js';
import { readKeptJson } from './kept-json.js';

/** Rows that are predicted together: as a request of them all, or each alone. Both throw a `RequestError` for a wrong row. */
export type Slice = {
  /** Number of the first row in the input. */
  readonly from: number;
  readonly rows: number;
  whole(plan: ServingPlan): InferRequest;
  one(plan: ServingPlan, row: number): InferRequest;
};

export type RowLimits = { readonly sliceRows: number; readonly maxLineBytes: number; readonly maxJsonDepth: number };

/** A kept input and the plan of the model that it is for. */
export type KeptInput = { readonly path: string; readonly input: JobInput; readonly plan: ServingPlan; readonly reader: BodyReader };

/** The rows from row `from` on, in slices. An input of lines is read as it is needed, never whole. */
export async function* slicesOf(kept: KeptInput, of: RowLimits & { readonly from: number }): AsyncGenerator<Slice, void> {
  if (kept.input.kind === 'json') {
    const json = await keptJson(kept, of.maxJsonDepth);
    if (json.kind === 'instances') yield* instanceSlices(kept.path, json.places, of);
    else yield* requestSlices(json.request, rowsIn(json, kept), { ...of, batchable: kept.plan.batchable });
    return;
  }
  const slice = kept.input.kind === 'csv' ? csvSlice : lineSlice;
  let lines: Buffer[] = [];
  let row = 0;
  for await (const line of dataLines(kept, of.maxLineBytes)) {
    if (row++ < of.from) continue;
    lines.push(line);
    if (lines.length < of.sliceRows) continue;
    yield slice(lines, row - lines.length, of.maxJsonDepth);
    lines = [];
  }
  if (lines.length > 0) yield slice(lines, row - lines.length, of.maxJsonDepth);
}

/** Counts the rows of an input. Throws a `RequestError` for one that cannot be read at all. */
export async function countRows(kept: KeptInput, of: RowLimits): Promise<number> {
  if (kept.input.kind === 'json') return rowsIn(await keptJson(kept, of.maxJsonDepth), kept);
  let rows = 0;
  for await (const line of dataLines(kept, of.maxLineBytes)) rows += line.length > 0 ? 1 : 0;
  return rows;
}

/** What is in an input of JSON. One that is large is read in the thread, and its instances, where it has them, as they are needed. */
async function keptJson({ path, reader }: KeptInput, maxJsonDepth: number): Promise<KeptJson> {
  const { size } = await stat(path);
  if (!reader.isLarge(size)) return readKeptJson(await readFile(path), maxJsonDepth);
  const kept = await reader.ask('keptJson', { path });
  return kept.kind === 'instances' ? kept : { kind: 'request', request: restored(kept.request, nothing) };
}

/** Of an input in JSON nothing lies in bytes. */
const nothing = Buffer.alloc(0);

function rowsIn(kept: KeptJson, { plan }: KeptInput): number {
  if (kept.kind === 'instances') return kept.places.length - 1;
  // A model whose first size is no rows takes the request as it is.
  return plan.batchable ? rowsOf(kept.request) : 1;
}

async function* instanceSlices(path: string, places: Uint32Array, of: RowLimits & { readonly from: number }): AsyncGenerator<Slice, void> {
  const file = await open(path);
  try {
    const all = places.length - 1;
    for (let { from } = of; from < all; from += of.sliceRows) {
      const rows = Math.min(of.sliceRows, all - from);
      const start = places[from]!;
      const text = Buffer.alloc(places[from + rows]! - 1 - start);
      await file.read(text, 0, text.length, start);
      const instances = JSON.parse(`[${text.toString('utf8')}]`) as unknown[];
      yield {
        from,
        rows,
        whole: (plan) => fromInstances(instances, plan),
        one: (plan, row) => fromInstances([instances[row]], plan),
      };
    }
  } finally {
    await file.close();
  }
}

function* requestSlices(
  request: InferRequest,
  all: number,
  of: RowLimits & { readonly from: number; readonly batchable: boolean },
): Generator<Slice, void> {
  for (let { from } = of; from < all; from += of.sliceRows) {
    const rows = Math.min(of.sliceRows, all - from);
    const first = from;
    yield of.batchable
      ? {
          from,
          rows,
          whole: () => someRows(request, { from: first, rows }),
          one: (_plan, row) => someRows(request, { from: first + row, rows: 1 }),
        }
      : { from, rows, whole: () => request, one: () => request };
  }
}

function lineSlice(lines: readonly Buffer[], from: number, maxJsonDepth: number): Slice {
  const instance = (row: number): unknown => instanceOf(lines[row]!, { row: from + row, maxJsonDepth });
  return {
    from,
    rows: lines.length,
    whole: (plan) =>
      fromInstances(
        lines.map((_, row) => instance(row)),
        plan,
      ),
    one: (plan, row) => fromInstances([instance(row)], plan),
  };
}

function csvSlice(lines: readonly Buffer[], from: number): Slice {
  return {
    from,
    rows: lines.length,
    whole: (plan) => fromCsv(lines.map((line) => line.toString('utf8')).join('\n'), plan),
    one: (plan, row) => fromCsv(lines[row]!.toString('utf8'), plan),
  };
}

/** The lines that hold rows: not the blank ones, and not the header of CSV. */
async function* dataLines({ path, input, plan }: KeptInput, maxBytes: number): AsyncGenerator<Buffer, void> {
  let isFirst = true;
  for await (const line of fileLines(path, maxBytes)) {
    if (!line.some((byte) => byte !== 0x20 && byte !== 0x0d && byte !== 0x09)) continue;
    const isHeader = isFirst && input.kind === 'csv' && isCsvHeader(line.toString('utf8').trim(), plan);
    isFirst = false;
    if (!isHeader) yield line;
  }
}

async function* fileLines(path: string, maxBytes: number): AsyncGenerator<Buffer, void> {
  let rest: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      yield rest.length === 0 ? chunk.subarray(from, end) : Buffer.concat([...rest, chunk.subarray(from, end)]);
      rest = [];
      bytes = 0;
      from = end + 1;
    }
    rest.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > maxBytes) throw invalid(`a line of the input has ${bytes} bytes or more: at most ${maxBytes} are taken`);
  }
  yield Buffer.concat(rest);
}
