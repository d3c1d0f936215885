import { expect, it } from 'vitest';
import { checkNode } from '../../tools/machine.mjs';

it.each(['18.20.4', '20.18.9', '19.99.0'])('refuses Node %s and says which one is needed', (version) => {
  expect(() => checkNode(version)).toThrow(`Node 20.19 or newer is needed: this is Node ${version}`);
});

it.each(['20.19.0', '22.1.0', '24.0.0'])('takes Node %s', (version) => {
  expect(() => checkNode(version)).not.toThrow();
});
