import { invalid } from '../http/request-error.js';
import { namesOf, requestOf } from '../oip/instances.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { ServingPlan, SignatureTensor } from '../plans/serving-plan.js';

/**
 * A request of CSV rows without quotes' line breaks; a first row that holds the field names is taken as a header. An input
 * of several values a row takes as many cells; one whose size is open, all of them where it is the only input.
 */
export function fromCsv(text: string, plan: ServingPlan): InferRequest {
  const widths = plan.inputs.map((input) => widthOf(input, plan.inputs.length));
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  if (lines[0] !== undefined && isCsvHeader(lines[0], plan)) lines.shift();
  if (lines.length === 0) throw invalid(`the CSV body has no rows: ${namesOf(plan)} are expected on each`);
  const columns: unknown[][] = plan.inputs.map(() => []);
  const expected = widths.reduce<number>((sum, width) => sum + (width === 'one' ? 1 : width), 0);
  lines.forEach((line, row) => {
    const cells = readLine(line, row);
    if (expected >= 0 && cells.length !== expected)
      throw invalid(`row ${row} has ${cells.length} values: ${expected} are expected (${namesOf(plan)})`);
    let at = 0;
    plan.inputs.forEach((input, i) => {
      const width = widths[i]!;
      const own = cells.slice(at, width === -1 ? undefined : at + (width === 'one' ? 1 : width));
      at += own.length;
      const values = own.map((cell) => readCell(cell, { row, input }));
      columns[i]!.push(width === 'one' ? values[0] : values);
    });
  });
  return requestOf(plan, columns);
}

/** Cells of a row that an input takes: one value, a list of so many, or (-1) a list of all that there are. */
function widthOf({ name, shape }: SignatureTensor, inputs: number): number | 'one' {
  if (shape.length <= 1) return 'one';
  const width = shape[1]!;
  if (shape.length === 2 && (width >= 0 || inputs === 1)) return width;
  throw invalid(`input ${name} has shape [${shape.join(',')}], which a row of CSV cannot hold: send JSON`);
}

/** Whether a line of CSV holds the names of the fields. */
export function isCsvHeader(line: string, plan: ServingPlan): boolean {
  return readLine(line, 0).join(',') === plan.inputs.map(({ name }) => name).join(',');
}

function readLine(line: string, row: number): string[] {
  const cells: string[] = [];
  const pattern = /\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/y;
  for (;;) {
    const found = pattern.exec(line);
    if (found === null) throw invalid(`row ${row} is no CSV: a quote does not close`);
    cells.push(found[1] === undefined ? found[2]!.trim() : found[1].replaceAll('""', '"'));
    if (found[3] === '') return cells;
  }
}

function readCell(cell: string, at: { row: number; input: SignatureTensor }): unknown {
  const { datatype, name } = at.input;
  if (datatype === 'BYTES') return cell;
  if (datatype === 'BOOL') return cell === 'true' || cell === '1' ? true : cell === 'false' || cell === '0' ? false : cell;
  const value = Number(cell);
  if (cell === '' || Number.isNaN(value))
    throw invalid(`row ${at.row}: ${name} is ${JSON.stringify(cell.slice(0, 50))}: a number is expected`);
  return value;
}
