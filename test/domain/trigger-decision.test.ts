import { describe, expect, test } from 'vitest';
import { triggerDecision, type TriggerRequest } from '../../domain/trigger-decision.js';

const day = 86_400_000;
const asOf = Date.parse('2011-11-01T00:00:00Z');
const decide = (change: Partial<TriggerRequest> = {}) =>
  triggerDecision({
    trigger: 'schedule',
    asOfMs: asOf,
    paused: null,
    coolDownMs: day,
    lastRunAsOfMs: null,
    running: null,
    queued: [],
    sameSlot: null,
    ...change,
  });
const onPurpose = ['manual', 'backfill', 'rehearsal'] as const;
const bySelf = ['schedule', 'drift'] as const;

describe('a trigger', () => {
  test('starts a run when nothing else runs', () => {
    for (const trigger of [...onPurpose, ...bySelf]) expect(decide({ trigger }).kind).toBe('start');
  });

  test('queues behind the run that trains, and behind what waits, naming it', () => {
    for (const trigger of [...onPurpose, ...bySelf])
      expect(decide({ trigger, running: 'r1' })).toEqual({ kind: 'queue', reason: 'behind run r1' });
    for (const trigger of onPurpose)
      expect(decide({ trigger, running: 'r1', queued: ['r2', 'r3'] })).toEqual({ kind: 'queue', reason: 'behind run r3' });
    expect(decide({ trigger: 'manual', queued: ['r2'] }).kind).toBe('queue');
  });

  test('by itself is skipped while another run waits', () => {
    for (const trigger of bySelf)
      expect(decide({ trigger, running: 'r1', queued: ['r2'] })).toMatchObject({
        kind: 'refuse',
        reason: expect.stringContaining('run r2 waits') as string,
      });
  });

  test('keeps the cool-down in model time; who starts on purpose does not wait for it', () => {
    for (const trigger of bySelf) {
      expect(decide({ trigger, lastRunAsOfMs: asOf - day }).kind).toBe('start');
      expect(decide({ trigger, lastRunAsOfMs: asOf - day + 1 })).toMatchObject({
        kind: 'refuse',
        reason: expect.stringMatching(/^skipped: the last run was as of 2011-10-31 00:00 UTC, .* the cool-down is 1 d\./) as string,
      });
      expect(decide({ trigger, lastRunAsOfMs: asOf + day })).toMatchObject({
        kind: 'refuse',
        reason: expect.stringContaining('Use a backfill') as string,
      });
      expect(decide({ trigger, lastRunAsOfMs: NaN }).kind).toBe('refuse');
    }
    for (const trigger of onPurpose)
      for (const lastRunAsOfMs of [asOf, asOf - 1, asOf + day]) expect(decide({ trigger, lastRunAsOfMs }).kind).toBe('start');
  });

  test('for a slot that a run has is a duplicate; a person may train the same moment again once the other one runs', () => {
    for (const trigger of ['schedule', 'drift', 'backfill', 'rehearsal'] as const) {
      expect(decide({ trigger, sameSlot: 'r1', running: 'r1' })).toEqual({
        kind: 'duplicate',
        reason: 'run r1 has the as-of time 2011-11-01 00:00 UTC already',
      });
    }
    expect(decide({ trigger: 'manual', sameSlot: 'r1', running: 'r1' }).kind).toBe('queue');
    expect(decide({ trigger: 'manual', sameSlot: 'r1' }).kind).toBe('start');
    expect(decide({ trigger: 'manual', sameSlot: 'r2', running: 'r1', queued: ['r2'] }).kind).toBe('duplicate');
  });

  test('on a paused model is refused with who paused it and why', () => {
    for (const trigger of [...onPurpose, ...bySelf]) {
      expect(decide({ trigger, paused: { by: 'ana', reason: 'source is broken' } })).toEqual({
        kind: 'refuse',
        reason: 'the model is paused by ana: source is broken. Resume it first.',
      });
    }
  });

  test('without a time is refused', () => {
    for (const trigger of [...onPurpose, ...bySelf]) expect(decide({ trigger, asOfMs: NaN }).kind).toBe('refuse');
  });
});
