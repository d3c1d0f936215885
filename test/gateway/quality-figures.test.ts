import { expect, it } from 'vitest';
import type { QualityFigure } from '../../activities/quality-ports.js';
import { Exposition } from '../../gateway/watching/exposition.js';
import { QualityFigures } from '../../gateway/watching/quality-figures.js';

const figure = {
  model: 'm',
  version: '1.0.0',
  metric: 'mape',
  source: 'rollout',
  value: 0.1,
  rows: 3,
  measuredAtMs: 5_000,
} as QualityFigure;

it('asks a registry that takes long once at a time, and tells what it said last', async () => {
  const answers: ((figures: QualityFigure[]) => void)[] = [];
  const quality = new QualityFigures({ live: () => new Promise((resolve) => answers.push(resolve)) });
  const told = (): string => {
    const text = new Exposition();
    quality.write(text);
    return text.text;
  };
  const first = quality.refresh();
  void quality.refresh();
  void quality.refresh();
  expect(answers).toHaveLength(1);
  answers[0]!([figure]);
  await first;
  expect(told()).toContain('model_accuracy{model_name="m",version="1.0.0",metric="mape",source="rollout"} 0.1');
  void quality.refresh();
  expect(answers).toHaveLength(2);
});
