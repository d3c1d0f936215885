import { expect, test } from 'vitest';
import { parseDefinition } from '../../contracts/define-model.js';
import { trainedSchema } from '../../contracts/definition-schema.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { nextVersion } from '../../domain/versioning.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import { root } from '../../tools/places.mjs';
import { definitionOf } from './definition-of.js';
import { codeBlocks, pages } from './markdown.js';

/** Every block that declares a model, with where it is. */
const declared = pages().flatMap(({ path, text }) =>
  codeBlocks(text)
    .filter(({ language, code }) => /^(ts|typescript)$/.test(language) && /\bdefine(Imported)?Model\(/.test(code))
    .map(({ code }, index) => ({ where: `${path} ${index + 1}`, code })),
);

test('the README declares a model of its own', () => {
  expect(declared.map(({ where }) => where)).toContain('README.md 1');
});

test.each(declared)('the definition in $where is valid, as it stands there', async (block) => {
  const definition = await definitionOf(block.code, root);
  expect(parseDefinition(definition)).toEqual(definition);
});

test('the page about definitions names every field, and no other', () => {
  const text = page('docs/define-a-model.md');
  const table = text.slice(text.indexOf('## Fields'), text.indexOf('### Source and checks'));
  const named = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, field]) => field);
  expect(named.toSorted()).toEqual(Object.keys(trainedSchema.shape).toSorted());
});

test('the faults that the page shows are those that a reader gets', async () => {
  const riders = (await definitionOf(declared.find(({ where }) => where === 'README.md 1')!.code, root)) as TrainedDefinition;
  const [wape, ...gates] = riders.gates;
  const wrong = {
    ...riders,
    gates: [{ ...wape, metric: 'mape' }, ...gates],
    serving: { ...riders.serving, request: riders.serving.request.filter(({ name }) => name !== 'hum') },
  };
  const shown = codeBlocks(page('docs/define-a-model.md'))
    .find(({ code }) => code.startsWith('the definition of'))
    ?.code.trimEnd();
  expect(shown).toBeDefined();
  expect(() => parseDefinition(wrong)).toThrow(shown);
});

test('the page about rollouts has every plan with its steps', () => {
  const text = page('docs/rollouts.md');
  for (const plan of Object.values(rolloutPlans)) {
    expect(text).toContain(`\`${plan.name}\``);
    for (const step of plan.steps) {
      if (step.kind !== 'canary') continue;
      const share = `${step.share * 100}%`;
      const row = text.split('\n').find((line) => line.startsWith(`| ${share} `)) ?? '';
      expect(row, `${plan.name}, ${share}`).toContain(`${step.deadlineMs / 86_400_000} d, ${Math.round(step.maxLoss * 100)}% worse`);
    }
  }
});

test('version numbers grow as the page says', () => {
  const shape = { task: 'regression', trainer: 'lightgbm', schemaDigest: 'a', recipeDigest: 'b' };
  const previous = { version: '1.4.2', shape };
  expect(nextVersion(previous, { ...shape, schemaDigest: 'c' })).toBe('2.0.0');
  expect(nextVersion(previous, { ...shape, recipeDigest: 'c' })).toBe('1.5.0');
  expect(nextVersion(previous, shape)).toBe('1.4.3');
});

function page(wanted: string): string {
  return pages().find(({ path }) => path === wanted)?.text ?? '';
}
