import { ownTurn } from '../own-turn.js';
import type { PredictionAnswer } from './predictor.js';

const manyRows = 500;
const manyElements = 5_000;

/** Whether to write an answer down takes a turn of the event loop of its own, or several. */
export function isLong({ ids, predicted }: PredictionAnswer): boolean {
  if (ids.length > manyRows) return true;
  for (const { data } of predicted.outputs) if (data.length > manyElements) return true;
  return false;
}

/** Rows that are written down with `between` between them. */
export type Rows = { readonly rows: number; readonly between: string; write(row: number): string };

/** A text as the parts that it is made of. */
export type TextParts = readonly (string | Rows)[];

/** The text of its parts. */
export function textOf(parts: TextParts): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    else for (let row = 0; row < part.rows; row++) text += row === 0 ? part.write(row) : part.between + part.write(row);
  }
  return text;
}

/** How long rows are written before others have their turn, and after how many the clock is looked at. */
const turnMs = 2;
const lookEvery = 16;

/** The same, written piece by piece in turns of its own. */
export async function textInTurns(parts: TextParts): Promise<string> {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    let untilMs = 0;
    for (let row = 0; row < part.rows; row++) {
      if (row % lookEvery === 0 && performance.now() > untilMs) {
        await ownTurn();
        untilMs = performance.now() + turnMs;
      }
      text += row === 0 ? part.write(row) : part.between + part.write(row);
    }
  }
  return text;
}
