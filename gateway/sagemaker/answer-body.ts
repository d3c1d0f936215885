import type { Reply } from '../http/reply.js';
import { RequestError } from '../http/request-error.js';
import { ownTurn } from '../own-turn.js';
import { element, inferReply, inferReplyInTurns } from '../oip/oip-response.js';
import type { OutputTensor } from '../plans/serving-plan.js';
import type { Rows, TextParts } from '../prediction/answer-rows.js';
import { textInTurns, textOf } from '../prediction/answer-rows.js';
import type { PredictionAnswer } from '../prediction/predictor.js';
import { writeNpy } from './npy.js';
import type { Format } from './request-body.js';
import { mediaFormat } from './request-body.js';

/** The form of an answer: what is accepted, else the form of the request. Throws a `RequestError` for what cannot be given. */
export function answerFormat(asked: Format, accept: string | null): Format {
  if (accept === null) return asked;
  for (const part of accept.split(',')) {
    if (part.split(';')[0]!.trim() === '*/*') return asked;
    const format = mediaFormat(part);
    if (format === null) continue;
    // Both kinds of JSON have one media type: which one, the request decides.
    return format !== 'json' ? format : asked === 'oip' ? 'oip' : 'instances';
  }
  throw new RequestError(
    'unsupported',
    `Accept ${accept.slice(0, 100)} cannot be given: application/json, application/octet-stream, text/csv, application/jsonlines and application/x-npy can`,
  );
}

type AnswerBody = Pick<Reply, 'contentType' | 'body' | 'headers'>;

/** Content type and body of a long answer: rows of text piece by piece in turns of their own, all else in one. */
export async function answerInTurns(answer: PredictionAnswer, format: Format): Promise<AnswerBody> {
  if (format === 'oip') return inferReplyInTurns(answer);
  if (format !== 'instances' && format !== 'jsonLines' && format !== 'csv') {
    await ownTurn();
    return answerBody(answer, format);
  }
  return { contentType: textTypes[format], body: await textInTurns(rowsText(answer, format)) };
}

/** Content type and body of an answer. */
export function answerBody(answer: PredictionAnswer, format: Format): AnswerBody {
  switch (format) {
    case 'oip':
      return inferReply(answer);
    case 'binary': {
      const { parameters } = answer.request;
      return inferReply({ ...answer, request: { ...answer.request, parameters: { ...parameters, binary_data_output: true } } });
    }
    case 'instances':
    case 'jsonLines':
    case 'csv':
      return { contentType: textTypes[format], body: textOf(rowsText(answer, format)) };
    case 'npy': {
      const { outputs } = table(answer);
      if (outputs.length !== 1)
        throw new RequestError('unsupported', `the model has ${outputs.length} outputs, an .npy array holds one: accept application/json`);
      return { contentType: 'application/x-npy', body: writeNpy(outputs[0]!) };
    }
  }
}

const textTypes = { instances: 'application/json', jsonLines: 'application/jsonlines', csv: 'text/csv; charset=utf-8' } as const;

/** An answer whose rows are text, as its parts. */
function rowsText(answer: PredictionAnswer, format: keyof typeof textTypes): TextParts {
  if (format === 'csv') {
    const { outputs, rows } = table(answer);
    const write = (row: number): string => outputs.map((output) => csvCells(output, { row, rows }).join(',')).join(',');
    return [{ rows, between: '\n', write }, '\n'];
  }
  const { rows, write } = predictions(answer);
  if (format === 'instances') return ['{"predictions":[', { rows, between: ',', write }, ']}'];
  return [{ rows, between: '', write: (row) => `${write(row)}\n` }];
}

/** One JSON value a row: the value of the only output, or an object by output. */
export function predictions(answer: PredictionAnswer): Omit<Rows, 'between'> {
  const { outputs, rows } = table(answer);
  const value = (output: OutputTensor, row: number): string => {
    const values = cells(output, { row, rows });
    return output.shape.length <= 1 || values.length === 1 ? values[0]! : `[${values.join(',')}]`;
  };
  const write = (row: number): string =>
    outputs.length === 1
      ? value(outputs[0]!, row)
      : `{${outputs.map((output) => `${JSON.stringify(output.name)}:${value(output, row)}`).join(',')}}`;
  return { rows, write };
}

/** The outputs that were asked for, and their rows. A model that cannot be batched answers several rows under one id. */
function table(answer: PredictionAnswer): { outputs: readonly OutputTensor[]; rows: number } {
  const wanted = answer.request.outputs;
  const outputs = answer.predicted.outputs.filter(({ name }) => wanted === null || wanted.some((asked) => asked.name === name));
  const first = outputs[0]?.shape[0] ?? 0;
  return { outputs, rows: first > 0 && outputs.every(({ shape }) => shape[0] === first) ? first : answer.ids.length };
}

/** As `cells`, but texts as CSV has them: a quote in one is written twice. */
function csvCells(output: OutputTensor, at: { row: number; rows: number }): string[] {
  if (output.datatype !== 'BYTES') return cells(output, at);
  const texts = output.data as ArrayLike<string>;
  const width = Math.floor(texts.length / at.rows);
  return Array.from({ length: width }, (_, i) => `"${texts[at.row * width + i]!.replaceAll('"', '""')}"`);
}

function cells(output: OutputTensor, at: { row: number; rows: number }): string[] {
  const width = Math.floor(output.data.length / at.rows);
  return Array.from({ length: width }, (_, i) => element(output.data[at.row * width + i]!, output.datatype));
}
