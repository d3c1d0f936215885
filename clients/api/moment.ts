const form = /^\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?$/;

/** Epoch milliseconds of a moment as text: ISO 8601 (UTC when it names no zone) or epoch milliseconds; null when it is none. */
export function readMoment(text: string): number | null {
  if (/^-?\d{5,16}$/.test(text)) return Number(text);
  if (!form.test(text)) return null;
  const iso = text.replace(' ', 'T');
  const timeMs = Date.parse(iso.includes('T') && !/(Z|[+-]\d{2}:?\d{2})$/.test(iso) ? `${iso}Z` : iso);
  return Number.isNaN(timeMs) ? null : timeMs;
}
