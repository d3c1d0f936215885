import { SignatureError } from './signature-error.js';

/** How far the caller's clock may be off, either way; a signature can be sent again for no longer. */
const toleranceMs = 300_000;
const form = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/** Reads `X-Amz-Date`. Throws a `SignatureError` when it is not there, no date, or not of now. */
export function signingTime(header: string | string[] | undefined, nowMs: number): { readonly epochMs: number; readonly day: string } {
  const text = typeof header === 'string' ? header : '';
  const epochMs = form.test(text) ? Date.parse(text.replace(form, '$1-$2-$3T$4:$5:$6Z')) : NaN;
  if (Number.isNaN(epochMs))
    throw new SignatureError('IncompleteSignatureException', 'the header X-Amz-Date is missing or not as 20260131T235959Z');
  // Worded as AWS does, because people search for these words.
  if (epochMs < nowMs - toleranceMs)
    throw new SignatureError(
      'InvalidSignatureException',
      `Signature expired: ${text} is now earlier than ${stamp(nowMs - toleranceMs)} (${stamp(nowMs)} - 5 min.)`,
    );
  if (epochMs > nowMs + toleranceMs)
    throw new SignatureError(
      'InvalidSignatureException',
      `Signature not yet current: ${text} is still later than ${stamp(nowMs + toleranceMs)} (${stamp(nowMs)} + 5 min.)`,
    );
  return { epochMs, day: text.slice(0, 8) };
}

const stamp = (epochMs: number): string => new Date(epochMs).toISOString().replace(/[-:]|\.\d+/g, '');
