/**
 * What a row asks, as text: the values of the subject fields in their order, joined by "|" (numbers as JSON has them).
 * Labels may name it instead of a prediction id. Null when the model names no subject.
 */
export function subjectOf(fields: readonly string[], record: Readonly<Record<string, string | number | boolean | null>>): string | null {
  if (fields.length === 0) return null;
  if (fields.length === 1) return String(record[fields[0]!]);
  return fields.map((field) => String(record[field])).join('|');
}
