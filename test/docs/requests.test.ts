import { describe, expect, it } from 'vitest';
import demandForecast from '../../models/demand-forecast.js';
import { codeBlocks, pages } from './markdown.js';

const fields = demandForecast.serving.request.map(({ name }) => name);
const blocks = pages().flatMap(({ path, text }) => codeBlocks(text).map(({ code }) => ({ path, code })));
const shown = (pattern: RegExp) =>
  blocks.flatMap(({ path, code }) => [...code.matchAll(pattern)].map(([, what = '']) => [path, what] as const));

const posted = (route: string) => shown(new RegExp(`/demand-forecast/${route} -d '([^']+)'`, 'g'));
const csv = [...shown(/text\/csv', Body=b'([^']+)'/g), ...shown(/^printf '([^']+)' > rows\.csv$/gm)];
const python = shown(/^row = (\{.*\})$/gm);

/** Requests in the documentation are there to be pasted: they have every field of the model that they name, and no other. */
describe('requests that the documentation shows', () => {
  it.each(posted('infer'))('%s: inference request', (_, text) => {
    const { inputs } = JSON.parse(text) as { inputs: { name: string; datatype: string; shape: number[]; data: number[] }[] };
    expect(inputs.map(({ name, datatype }) => ({ name, datatype }))).toEqual(
      demandForecast.serving.request.map(({ name, datatype }) => ({ name, datatype })),
    );
    for (const { shape, data } of inputs) expect(shape).toEqual([data.length]);
  });

  it.each(posted('generate_stream'))('%s: object of inputs', (_, text) => {
    expect(Object.keys(JSON.parse(text) as object)).toEqual(fields);
  });

  it.each(csv)('%s: CSV', (_, text) => {
    for (const line of text.split(String.raw`\n`).filter((row) => row !== '')) expect(line.split(',')).toHaveLength(fields.length);
  });

  it.each(python)('%s: row in Python', (_, text) => {
    expect([...text.matchAll(/'(\w+)':/g)].map(([, name]) => name)).toEqual(fields);
  });

  it('are there', () => {
    expect([posted('infer').length, posted('generate_stream').length, csv.length, python.length].every((count) => count > 0)).toBe(true);
  });
});
