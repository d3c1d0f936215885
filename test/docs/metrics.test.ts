import { expect, it } from 'vitest';
import { openStage } from '../gateway/support/stage.js';
import { codeSpans, pages } from './markdown.js';

const stage = await openStage();

it('every metric of the gateway is named in the documentation', async () => {
  const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const told = [...text.matchAll(/^# HELP (\S+)/gm)].map(([, name = '']) => name).filter((name) => /^(gateway|model|nv)_/.test(name));
  expect(told.length).toBeGreaterThan(30);
  const named = new Set(
    pages().flatMap((page) => codeSpans(page.text).flatMap((code) => code.match(/\b(gateway|model|nv)_[a-z0-9_]+/g) ?? [])),
  );
  expect(told.filter((name) => !named.has(name))).toEqual([]);
});
