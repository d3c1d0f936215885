import { isUtf8 } from 'node:buffer';
import { invalid } from '../http/request-error.js';
import { namesOf } from '../oip/instances.js';
import type { InferRequest, RequestInput } from '../oip/oip-request.js';
import type { Signature, SignatureTensor } from '../plans/serving-plan.js';

/**
 * A request of CSV rows without quotes' line breaks; a first row that holds the field names is taken as a header. An input
 * of several values a row takes as many cells; one whose size is open, all of them where it is the only input.
 */
export function fromCsv(text: string, plan: Signature): InferRequest {
  const widths = plan.inputs.map((input) => widthOf(input, plan.inputs.length));
  const columns: unknown[][] = plan.inputs.map(() => []);
  const expected = widths.reduce<number>((sum, width) => sum + (width === 'one' ? 1 : width), 0);
  let row = 0;
  let mayBeHeader = true;
  for (const line of linesIn(text)) {
    const isHeader = mayBeHeader && isCsvHeader(line, plan);
    mayBeHeader = false;
    if (isHeader) continue;
    const cells = readLine(line, row);
    if (expected >= 0 && cells.length !== expected)
      throw invalid(`row ${row} has ${cells.length} values: ${expected} are expected (${namesOf(plan)})`);
    let at = 0;
    for (let i = 0; i < widths.length; i++) {
      const of = { row, input: plan.inputs[i]! };
      const width = widths[i]!;
      if (width === -1) columns[i]!.push(cells.map((cell) => readCell(cell, of)));
      else for (const end = at + (width === 'one' ? 1 : width); at < end; at++) columns[i]!.push(readCell(cells[at]!, of));
    }
    row++;
  }
  if (row === 0) throw invalid(`the CSV body has no rows: ${namesOf(plan)} are expected on each`);
  const inputs = plan.inputs.map(({ name, datatype }, i): RequestInput => {
    const width = widths[i]!;
    const data = columns[i]!;
    const inner = width === 'one' ? [] : [width === -1 ? (data[0] as unknown[]).length : width];
    return { name, datatype, shape: [row, ...inner], data };
  });
  return { id: null, parameters: {}, inputs, outputs: null };
}

/** The lines of a text that hold anything. */
function* linesIn(text: string): Generator<string, void> {
  for (let from = 0; from < text.length;) {
    const at = text.indexOf('\n', from);
    const end = at < 0 ? text.length : at;
    const line = text.slice(from, at > from && text.charCodeAt(at - 1) === carriageReturn ? at - 1 : end);
    from = end + 1;
    if (line !== '') yield line;
  }
}

const carriageReturn = 0x0d;

/** The text of a CSV body. Throws a `RequestError` when it is not UTF-8. */
export function csvText(body: Buffer): string {
  if (!isUtf8(body)) throw invalid('the CSV body is not UTF-8');
  return body.toString('utf8');
}

/** Cells of a row that an input takes: one value, a list of so many, or (-1) a list of all that there are. */
function widthOf({ name, shape }: SignatureTensor, inputs: number): number | 'one' {
  if (shape.length <= 1) return 'one';
  const width = shape[1]!;
  if (shape.length === 2 && (width >= 0 || inputs === 1)) return width;
  throw invalid(`input ${name} has shape [${shape.join(',')}], which a row of CSV cannot hold: send JSON`);
}

/** Whether a line of CSV holds the names of the fields. */
export function isCsvHeader(line: string, plan: Signature): boolean {
  return readLine(line, 0).join(',') === plan.inputs.map(({ name }) => name).join(',');
}

/** The cells of a line, in time that grows with its length: a regular expression for all of it would go back and forth. */
function readLine(line: string, row: number): string[] {
  const cells: string[] = [];
  for (let at = 0; ; at++) {
    const from = afterSpaces(line, at);
    let end: number;
    if (line[from] === '"') {
      const quote = closingQuote(line, from + 1);
      end = quote < 0 ? -1 : afterSpaces(line, quote + 1);
      if (end < 0 || (end < line.length && line[end] !== ',')) throw invalid(`row ${row} is no CSV: a quote does not close`);
      cells.push(line.slice(from + 1, quote).replaceAll('""', '"'));
    } else {
      const comma = line.indexOf(',', from);
      end = comma < 0 ? line.length : comma;
      const cell = line.slice(from, end).trimEnd();
      if (cell.includes('"')) throw invalid(`row ${row} is no CSV: a quote stands within a cell that does not begin with one`);
      cells.push(cell);
    }
    if (end === line.length) return cells;
    at = end;
  }
}

const spaces = /\s*/y;

function afterSpaces(line: string, at: number): number {
  spaces.lastIndex = at;
  spaces.exec(line);
  return spaces.lastIndex;
}

/** Where a quoted cell ends; two quotes in it stand for one. -1 when it does not. */
function closingQuote(line: string, from: number): number {
  let at = line.indexOf('"', from);
  while (at >= 0 && line[at + 1] === '"') at = line.indexOf('"', at + 2);
  return at;
}

/** Anything else may be a number to JavaScript, such as 0x10, and to nobody who writes CSV. */
const otherThanDecimal = /[^\d.eE+-]/;
/** Digits that an INT64 or UINT64 may have, and some more. */
const maxIntegerLength = 24;

function readCell(cell: string, at: { row: number; input: SignatureTensor }): unknown {
  const { datatype, name } = at.input;
  if (datatype === 'BYTES') return cell;
  if (datatype === 'BOOL') return cell === 'true' || cell === '1' ? true : cell === 'false' || cell === '0' ? false : cell;
  const value = Number(cell);
  if (cell === '' || Number.isNaN(value) || otherThanDecimal.test(cell))
    throw invalid(`row ${at.row}: ${name} is ${JSON.stringify(cell.slice(0, 50))}: a number is expected`);
  const isLong = (datatype === 'INT64' || datatype === 'UINT64') && !Number.isSafeInteger(value) && cell.length <= maxIntegerLength;
  return isLong && /^[+-]?\d+$/.test(cell) ? BigInt(cell) : value;
}
