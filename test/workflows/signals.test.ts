import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import {
  approveSignal,
  lifecycleStatusQuery,
  pauseSignal,
  pauseUpdate,
  rejectSignal,
  resumeSignal,
  retrainSignal,
  rollbackSignal,
} from '../../contracts/lifecycle.js';
import { until } from './waiting.js';
import { timeSkippingStage } from './world.js';

const stage = timeSkippingStage();
const signals = {
  retrain: retrainSignal,
  approve: approveSignal,
  reject: rejectSignal,
  rollback: rollbackSignal,
  pause: pauseSignal,
  resume: resumeSignal,
};
type Name = keyof typeof signals;

/** As `temporal workflow signal --input` sends whatever somebody typed. */
const send = (lifecycle: WorkflowHandle, name: Name, payload: unknown) => lifecycle.signal(name, payload);

const wrong: readonly (readonly [what: string, payload: unknown])[] = [
  ['nothing', undefined],
  ['null', null],
  ['a text', '1.0.1'],
  ['a list', ['1.0.1']],
  ['no reason', { by: 'ann', version: '1.0.1' }],
  ['nobody', { reason: 'because', version: '1.0.1' }],
];

describe.each(Object.keys(signals) as Name[])('the signal %s', (name) => {
  test.each(wrong)('with %s is refused in the audit, and the lifecycle goes on', async (_, payload) => {
    const world = stage.use({});
    const lifecycle = await stage.lifecycle(world);
    await send(lifecycle, name, payload);
    await until(async () => world.callsOf('audit').length === 1);
    const by = typeof payload === 'object' && payload !== null && 'by' in payload ? payload.by : 'unknown';
    expect(world.callsOf('audit')[0]).toMatchObject({ action: name, by, outcome: 'refused', reason: expect.stringContaining('expected') });
    for (const called of ['decide', 'rollback', 'takeBack', 'setPaused', 'beginRun'] as const) expect(world.callsOf(called)).toEqual([]);
    expect(await lifecycle.query(lifecycleStatusQuery)).toMatchObject({ state: { active: [], queue: [], paused: null } });
    expect((await lifecycle.describe()).status.name).toBe('RUNNING');
  });
});

describe('a signal that cannot be carried out', () => {
  const away = async (): Promise<never> => {
    throw ApplicationFailure.nonRetryable('the registry refuses', 'Conflict');
  };

  test.each([
    ['approve', { version: '1.0.1', by: 'ann', reason: 'good' }, { decide: away }],
    ['reject', { version: '1.0.1', by: 'ann', reason: 'odd' }, { decide: away }],
    ['rollback', { by: 'ann', reason: 'it harms' }, { rollback: away }],
    ['pause', { by: 'ann', reason: 'a rest' }, { setPaused: away }],
  ] as const)('%s is told in the audit, and the lifecycle goes on', async (name, payload, failing) => {
    const world = stage.use(failing);
    const lifecycle = await stage.lifecycle(world);
    await send(lifecycle, name, payload);
    await until(async () => world.callsOf('audit').length === 1);
    expect(world.callsOf('audit')[0]).toMatchObject({
      action: name,
      by: 'ann',
      outcome: 'failed',
      reason: expect.stringContaining('the registry refuses'),
    });
    expect((await lifecycle.describe()).status.name).toBe('RUNNING');
  });

  test('a pause of what is paused already is refused in the audit', async () => {
    const world = stage.use({});
    const lifecycle = await stage.lifecycle(world);
    await lifecycle.executeUpdate(pauseUpdate, { args: [{ by: 'ann', reason: 'a rest' }] });
    await send(lifecycle, 'pause', { by: 'ben', reason: 'a rest' });
    await until(async () => world.callsOf('audit').length === 1);
    expect(world.callsOf('audit')[0]).toMatchObject({ action: 'pause', by: 'ben', outcome: 'refused', reason: 'it is paused already' });
  });
});
