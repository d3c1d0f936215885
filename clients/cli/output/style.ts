import type { CliStream } from '../context.js';

export type Style = {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
};

const paint = (open: number, close: number) => (text: string) => `\u001b[${open}m${text}\u001b[${close}m`;
const colours: Style = { bold: paint(1, 22), dim: paint(2, 22), good: paint(32, 39), bad: paint(31, 39), warn: paint(33, 39) };
const asIs = (text: string): string => text;
const plain: Style = { bold: asIs, dim: asIs, good: asIs, bad: asIs, warn: asIs };

/** Colours on a terminal only, and not when NO_COLOR is set. */
export function styleFor(stream: CliStream, env: Readonly<Record<string, string | undefined>>): Style {
  const wanted = stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  return wanted ? colours : plain;
}

// oxlint-disable-next-line no-control-regex -- colours are control characters
const escape = /\u001b\[[0-9;]*m/g;

/** How many columns a text takes; colours take none. */
export const widthOf = (text: string): number => Array.from(text.replace(escape, '')).length;

/** A text cut to so many columns, with `…` at the cut; colours are dropped from one that is cut. */
export function cut(text: string, columns: number): string {
  return widthOf(text) <= columns
    ? text
    : `${Array.from(text.replace(escape, ''))
        .slice(0, Math.max(0, columns - 1))
        .join('')}…`;
}
