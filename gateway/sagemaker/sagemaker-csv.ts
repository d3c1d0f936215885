import { invalid } from '../http/request-error.js';
import { namesOf, requestOf } from '../oip/instances.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { ServingPlan, SignatureTensor } from '../plans/serving-plan.js';

/** A request of CSV rows without quotes' line breaks; a first row that holds the field names is taken as a header. */
export function fromCsv(text: string, plan: ServingPlan): InferRequest {
  for (const { name, shape } of plan.inputs) {
    if (shape.length > 1) throw invalid(`input ${name} takes more than one value a row: send JSON instead of CSV`);
  }
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  if (lines[0] !== undefined && isCsvHeader(lines[0], plan)) lines.shift();
  if (lines.length === 0) throw invalid(`the CSV body has no rows: ${namesOf(plan)} are expected on each`);
  const columns: unknown[][] = plan.inputs.map(() => []);
  lines.forEach((line, row) => {
    const cells = readLine(line, row);
    if (cells.length !== plan.inputs.length)
      throw invalid(`row ${row} has ${cells.length} values: ${plan.inputs.length} are expected (${namesOf(plan)})`);
    cells.forEach((cell, i) => columns[i]!.push(readCell(cell, { row, input: plan.inputs[i]! })));
  });
  return requestOf(plan, columns);
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
