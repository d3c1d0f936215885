import { invalid } from './request-error.js';

const maxLength = 512;

/** The caller's sticky key: from the request's parameters, else from the header; null when there is none. */
export function callerKey(parameter: string | number | boolean | undefined, header: string | string[] | undefined): string | null {
  const key = parameter ?? header;
  if (key === undefined || key === '') return null;
  const text = Array.isArray(key) ? key.join(',') : String(key);
  if (text.length > maxLength) throw invalid(`the caller's key has ${text.length} characters: at most ${maxLength} are taken`);
  return text;
}
