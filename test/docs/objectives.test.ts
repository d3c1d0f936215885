import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { ask } from '../gateway/support/requests.js';
import { openStage } from '../gateway/support/stage.js';
import { codeBlocks, pages } from './markdown.js';

type Rule = { record?: string; alert?: string; expr: string };

const stage = await openStage();
const page = pages().find(({ path }) => path === 'docs/observability.md')!;
const text = codeBlocks(page.text)
  .map(({ code }) => code)
  .find((code) => code.startsWith('groups:'))!;
const rules = (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

it('the rules of the objectives ask for series that the gateway tells', async () => {
  const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
  await ask(gateway, 'demand');
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  const told = new Set([...metrics.matchAll(/^(\w+)\{/gm)].map(([, name]) => name));
  const recorded = new Set(rules.map(({ record }) => record));
  for (const { expr } of rules) {
    for (const [name] of expr.matchAll(/\b(gateway|model)[a-z0-9_:]*(?=[\s{[)]|$)/g))
      expect(told.has(name) || recorded.has(name) || name === 'model_name', name).toBe(true);
    // A bucket of this border, or the share of slow rows would be that of none.
    for (const [, border] of expr.matchAll(/le="([^"]+)"/g))
      expect(metrics).toMatch(new RegExp(`^model_prediction_latency_seconds_bucket\\{le="${border}",`, 'm'));
    for (const [, names = ''] of expr.matchAll(/status=~"([^"]+)"/g))
      for (const name of names.split('|')) expect(name === '5..' || name in status, name).toBe(true);
  }
  expect(rules.filter(({ alert }) => alert !== undefined)).toHaveLength(3);
});
