import protobuf from 'protobufjs';
import { classified } from '../oip/classification.js';
import { hasRows } from '../oip/oip-response.js';
import { rawBytes } from '../oip/raw-output.js';
import type { OutputTensor } from '../plans/serving-plan.js';
import type { PredictionAnswer } from '../prediction/predictor.js';
import { delimited } from './message-reader.js';

type Writer = protobuf.Writer;

/** How an answer is told: with the tensors as raw bytes, and, on a stream, that nothing more follows for the request. */
export type AnswerForm = { readonly raw: boolean; readonly final?: true };

/** A `ModelInferResponse`. Its parameters tell who answered and the prediction ids, as the REST answer does. */
export function writeInferResponse(answer: PredictionAnswer, { raw, final }: AnswerForm): Uint8Array {
  const { request, version, variant, ids } = answer;
  const writer = protobuf.Writer.create();
  writer.uint32(delimited(1)).string(version.model);
  writer.uint32(delimited(2)).string(version.version);
  writer.uint32(delimited(3)).string(request.id ?? ids[0] ?? '');
  writeText(writer, 'variant', variant);
  writeText(writer, 'model_version', version.version);
  writeText(writer, 'prediction_ids', ids.join(','));
  if (answer.cached) writeTrue(writer, 'cached');
  if (final === true) writeTrue(writer, 'triton_final_response');
  const outputs = answered(answer);
  // What has no contents makes the whole answer raw: a response has one form.
  const isRaw = raw || outputs.some(({ datatype }) => datatype === 'FP16' || datatype === 'BF16');
  for (const output of outputs) {
    writer.uint32(delimited(5)).fork();
    writer.uint32(delimited(1)).string(output.name);
    writer.uint32(delimited(2)).string(output.datatype);
    writer.uint32(delimited(3)).fork();
    for (const dim of output.shape) writer.int64(dim);
    writer.ldelim();
    if (!isRaw) {
      writer.uint32(delimited(5)).fork();
      writeContents(writer, output);
      writer.ldelim();
    }
    writer.ldelim();
  }
  if (isRaw) for (const output of outputs) writer.uint32(delimited(6)).bytes(rawBytes(output));
  return writer.finish();
}

/** A `ModelStreamInferResponse`: an answer, or what was wrong with the request of an id. */
export function writeStreamResponse(of: { answer: Uint8Array } | { error: string; id: string | null }): Uint8Array {
  const writer = protobuf.Writer.create();
  if ('answer' in of) return writer.uint32(delimited(2)).bytes(of.answer).finish();
  writer.uint32(delimited(1)).string(of.error);
  // The id tells the caller which of its requests it was.
  if (of.id !== null) writer.uint32(delimited(2)).fork().uint32(delimited(3)).string(of.id).ldelim();
  return writer.finish();
}

/** The outputs that the request asks for, in the model's order. */
function answered({ request, predicted, version }: PredictionAnswer): readonly OutputTensor[] {
  const wanted = request.outputs;
  if (wanted === null) return predicted.outputs;
  return predicted.outputs.flatMap((output) => {
    const asked = wanted.find(({ name }) => name === output.name);
    if (asked === undefined) return [];
    const { classification: count } = asked;
    return [count === 0 ? output : classified(output, { count, perRow: hasRows(version.plan, output.name) })];
  });
}

function writeText(writer: Writer, key: string, value: string): void {
  writer.uint32(delimited(4)).fork();
  writer.uint32(delimited(1)).string(key);
  writer.uint32(delimited(2)).fork().uint32(delimited(3)).string(value).ldelim();
  writer.ldelim();
}

function writeTrue(writer: Writer, key: string): void {
  writer.uint32(delimited(4)).fork();
  writer.uint32(delimited(1)).string(key);
  writer.uint32(delimited(2)).fork().uint32(8).bool(true).ldelim();
  writer.ldelim();
}

function writeContents(writer: Writer, output: OutputTensor): void {
  const { data, datatype } = output;
  switch (datatype) {
    case 'BYTES':
      for (let i = 0; i < data.length; i++) writer.uint32(delimited(8)).string(data[i] as string);
      return;
    // Packed, these lie in the message as they lie in memory.
    case 'BOOL':
      writer.uint32(delimited(1)).bytes(rawBytes(output));
      return;
    case 'FP32':
      writer.uint32(delimited(6)).bytes(rawBytes(output));
      return;
    case 'FP64':
      writer.uint32(delimited(7)).bytes(rawBytes(output));
      return;
    case 'INT64':
    case 'UINT64':
      writeLongs(writer, output);
      return;
    case 'INT8':
    case 'INT16':
    case 'INT32':
      writer.uint32(delimited(2)).fork();
      for (let i = 0; i < data.length; i++) writer.int32(data[i] as number);
      writer.ldelim();
      return;
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
      writer.uint32(delimited(4)).fork();
      for (let i = 0; i < data.length; i++) writer.uint32(data[i] as number);
      writer.ldelim();
      return;
    default:
      throw new Error(`an output of datatype ${datatype} has no contents in the protocol`);
  }
}

function writeLongs(writer: Writer, output: OutputTensor): void {
  const bytes = rawBytes(output);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  writer.uint32(delimited(output.datatype === 'INT64' ? 3 : 5)).fork();
  for (let at = 0; at < bytes.length; at += 8) {
    writer.uint64({ low: view.getInt32(at, true), high: view.getInt32(at + 4, true), unsigned: true } as protobuf.Long);
  }
  writer.ldelim();
}
