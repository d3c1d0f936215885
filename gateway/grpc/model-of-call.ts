import type { UnaryName } from './inference-service.js';
import { delimited, readFields } from './message-reader.js';

/** Where the messages of calls about one model have its name. */
const fields: Partial<Record<UnaryName, string>> = {
  ModelReady: 'name',
  ModelMetadata: 'name',
  ModelConfig: 'name',
  ModelStatistics: 'name',
  RepositoryModelLoad: 'model_name',
  RepositoryModelUnload: 'model_name',
  TraceSetting: 'model_name',
};

/** The model that a call is about; null for none. */
export function modelOfCall(name: UnaryName, message: Readonly<Record<string, unknown>>): string | null {
  const field = fields[name];
  const model = field === undefined ? undefined : message[field];
  return typeof model === 'string' && model !== '' ? model : null;
}

/** The model that a `ModelInferRequest` names which cannot be taken; null where not even that can be read. */
export function modelOfRefused(bytes: Uint8Array): string | null {
  let model: string | null = null;
  try {
    readFields(bytes, (tag, reader) => {
      if (tag !== delimited(1)) return false;
      model = reader.string();
      return true;
    });
  } catch {
    // What came before the place where it breaks was read.
  }
  return model;
}
