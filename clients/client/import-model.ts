import type { ImportedModel } from '../../contracts/imported-model.js';
import type { UploadMediaType } from '../api/upload-limits.js';
import type { ApiClient } from './api-client.js';
import type { UploadSource } from './upload.js';

/** Files of an import, as paths or bytes, and what is known of them. */
export type ImportFiles = {
  /** The ONNX file, with its weights in it; at most 2 GiB. */
  readonly onnx: UploadSource;
  /** What made it, `xgboost 3.1.2`; what the file says of itself when absent. */
  readonly framework?: string;
  /** A request that the file answers, as Open Inference Protocol JSON; one is made of the file's inputs when absent. */
  readonly example?: UploadSource;
  /** What the native model answered to `example`, as Open Inference Protocol JSON: the file must answer the same. */
  readonly expected?: UploadSource;
  /** How far an answer may be from the expected one: relative to it, absolute below 1. Default 1e-4. */
  readonly tolerance?: number;
  /** Event time before which the model saw rows. */
  readonly trainedTo?: Date;
};

export type ImportProgress = { readonly what: 'onnx' | 'example' | 'expected'; readonly sent: number; readonly total: number };

/** Puts the files of an import into the object store, one after the other; answers what a run is asked with. */
export async function uploadImport(
  api: Pick<ApiClient, 'upload'>,
  { onnx, example, expected, framework, tolerance, trainedTo }: ImportFiles,
  onProgress: (progress: ImportProgress) => void = () => undefined,
): Promise<ImportedModel> {
  const put = (what: ImportProgress['what'], source: UploadSource, mediaType: UploadMediaType) =>
    api.upload(source, mediaType, (sent, total) => onProgress({ what, sent, total }));
  // The small ones first: what is wrong with them shows at once.
  const small = {
    ...(example === undefined ? {} : { example: await put('example', example, 'application/json') }),
    ...(expected === undefined ? {} : { expected: await put('expected', expected, 'application/json') }),
  };
  return {
    onnx: await put('onnx', onnx, 'application/onnx'),
    ...small,
    ...(framework === undefined ? {} : { framework }),
    ...(tolerance === undefined ? {} : { tolerance }),
    ...(trainedTo === undefined ? {} : { trainedToMs: trainedTo.getTime() }),
  };
}
