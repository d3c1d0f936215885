const textOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;
/** The integers that numbers may round. */
export const longInteger = /^-?\d{16,}$/;

/** Parsed JSON in which an integer that JavaScript numbers would round is text with all its digits. Throws a `SyntaxError`. */
export function parseExactJson(text: string): unknown {
  const exact = text.replace(textOrNumber, (found) =>
    longInteger.test(found) && !Number.isSafeInteger(Number(found)) ? `"${found}"` : found,
  );
  return JSON.parse(exact);
}
