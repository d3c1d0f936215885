import { createReadStream } from 'node:fs';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { NamedObjects } from '../../activities/ports.js';
import { RequestError } from '../http/request-error.js';
import { exactJson, longDigits, parseExact } from '../oip/exact-integers.js';
import { runtimeError } from '../sagemaker/sagemaker-errors.js';
import type { JobFolder } from './job-folder.js';
import type { JobDelivery, JobRecord } from './job-record.js';

export type DeliveryDeps = { readonly folder: JobFolder; readonly named: NamedObjects | null };

type ResultLine = {
  readonly row: number;
  readonly id?: string;
  readonly version?: string;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly error?: string;
  readonly kind?: RequestError['kind'];
};

const mediaTypes: Record<JobDelivery['format'], string> = {
  oip: 'application/json',
  instances: 'application/json',
  csv: 'text/csv',
  jsonLines: 'application/jsonlines',
};

/**
 * Puts the results of an asynchronous invocation to their place, in the form that a plain invocation would have answered.
 * Throws the error of the first row that has one: a plain invocation would have failed by it.
 */
export async function deliverResults({ folder, named }: DeliveryDeps, job: JobRecord): Promise<void> {
  const delivery = job.delivery!;
  const path = `${folder.resultPath(job.id)}.out`;
  const file = await open(path, 'w');
  try {
    let text = '';
    const format = delivery.format === 'oip' && (await hasInstances(folder.inputPath(job.id))) ? 'instances' : delivery.format;
    for await (const piece of written(folder.resultPath(job.id), job, format)) {
      text += piece;
      if (text.length < 1 << 18) continue;
      await file.appendFile(text);
      text = '';
    }
    await file.appendFile(text);
  } finally {
    await file.close();
  }
  await placeOf(named).putFile(delivery.output, path, mediaTypes[delivery.format]);
  await rm(path, { force: true });
}

/** Puts the error of an asynchronous invocation to the place of its failures. */
export async function deliverFailure({ folder, named }: DeliveryDeps, job: JobRecord, error: RequestError): Promise<void> {
  const path = `${folder.resultPath(job.id)}.out`;
  await writeFile(path, JSON.stringify(runtimeError(error).fields));
  await placeOf(named).putFile(job.delivery!.failure, path, 'application/json');
  await rm(path, { force: true });
}

/** Both kinds of JSON have one media type: which one is answered, the request decides. */
async function hasInstances(path: string): Promise<boolean> {
  const body = JSON.parse(await readFile(path, 'utf8')) as { instances?: unknown };
  return body.instances !== undefined;
}

function placeOf(named: NamedObjects | null): NamedObjects {
  if (named === null) throw new RequestError('notReady', 'this gateway has no place for the results of asynchronous invocations');
  return named;
}

async function* written(path: string, job: JobRecord, format: JobDelivery['format']): AsyncGenerator<string, void> {
  const names = job.outputs.map(({ name }) => name);
  const values = (line: ResultLine): unknown[] => names.map((name) => line.outputs?.[name]);
  switch (format) {
    case 'csv':
      for await (const line of lines(path)) yield `${values(line).flat().map(cell).join(',')}\n`;
      return;
    case 'jsonLines':
      for await (const line of lines(path)) yield `${prediction(line, names)}\n`;
      return;
    case 'instances': {
      let before = '{"predictions":[';
      for await (const line of lines(path)) {
        yield `${before}${prediction(line, names)}`;
        before = ',';
      }
      yield ']}';
      return;
    }
    case 'oip':
      yield* tensors(path, job);
  }
}

/** One output after the other, so that no more than a row is in memory. */
async function* tensors(path: string, job: JobRecord): AsyncGenerator<string, void> {
  let version = '';
  for await (const line of lines(path)) version = line.version ?? version;
  yield `{"model_name":${JSON.stringify(job.model)},"model_version":${JSON.stringify(version)},"id":${JSON.stringify(job.id)},"outputs":[`;
  for (const [index, { name, datatype, inner }] of job.outputs.entries()) {
    yield `${index === 0 ? '' : ','}{"name":${JSON.stringify(name)},"shape":[${[job.done, ...inner].join(',')}],"datatype":"${datatype}","data":[`;
    let before = '';
    for await (const line of lines(path)) {
      const value = line.outputs?.[name];
      yield before + (Array.isArray(value) ? value : [value]).map(exactJson).join(',');
      before = ',';
    }
    yield ']}';
  }
  yield ']}';
}

function prediction(line: ResultLine, names: readonly string[]): string {
  return exactJson(names.length === 1 ? line.outputs?.[names[0]!] : line.outputs);
}

function cell(value: unknown): string {
  return typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : String(value);
}

const namingRow = (row: number, error: string): string => (new RegExp(`\\brow ${row}\\b`).test(error) ? error : `row ${row}: ${error}`);

async function* lines(path: string): AsyncGenerator<ResultLine, void> {
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const line = (longDigits.test(text) ? parseExact(text) : JSON.parse(text)) as ResultLine;
    if (line.error !== undefined) throw new RequestError(line.kind ?? 'internal', namingRow(line.row, line.error));
    yield line;
  }
}
