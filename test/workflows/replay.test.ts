import './quiet-runtime.js';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, test } from 'vitest';
import * as workflows from '../../workflows/index.js';
import { type Recording, recordings } from './histories.js';
import { replayOptions } from './world.js';

// A history that no longer replays is a running workflow that no longer goes on: mend the workflow (`patched()`), never
// the history.

/** Replays histories by the real workflow ids; those that fail, with what the SDK says. */
async function failures(histories: readonly Recording[]): Promise<{ name: string; error: string }[]> {
  const failed: { name: string; error: string }[] = [];
  const named = new Map(
    histories.map((recording) => [`${recording.workflowId}|${firstRunId(recording)}`, `${recording.release}/${recording.name}`]),
  );
  const replayed = Worker.runReplayHistories(
    await replayOptions(),
    histories.map((recording) => ({
      workflowId: recording.workflowId,
      history: temporal.api.history.v1.History.fromObject(recording.history),
    })),
  );
  let count = 0;
  for await (const result of replayed) {
    count += 1;
    const name = named.get(`${result.workflowId}|${result.runId}`) ?? result.workflowId;
    if (result.error !== undefined) failed.push({ name, error: result.error.message });
  }
  if (count !== histories.length) throw new Error(`${count} of ${histories.length} histories were replayed`);
  return failed;
}

function firstRunId({ history }: Recording): string {
  const started = history.events[0]?.['workflowExecutionStartedEventAttributes'] as { originalExecutionRunId?: string } | undefined;
  return started?.originalExecutionRunId ?? '';
}

describe('the recorded histories', () => {
  let kept: Recording[];
  beforeAll(() => {
    kept = recordings();
  });

  test('are there, of every workflow type', () => {
    expect(kept.length).toBeGreaterThan(0);
    const types = [...new Set(kept.map((recording) => recording.workflowType))].toSorted();
    expect(types).toEqual(Object.keys(workflows).toSorted());
  });

  test('have among them a whole run with approval and rollout, and a lifecycle that continued as new', () => {
    const has = (type: string, said: string) =>
      kept.some((recording) => recording.workflowType === type && JSON.stringify(recording.history).includes(said));
    expect(has('retrain', '"requestApproval"')).toBe(true);
    expect(has('retrain', '"approvalSettled"')).toBe(true);
    expect(has('retrain', '"rolloutEnded"')).toBe(true);
    expect(has('retrain', '"evaluateImport"')).toBe(true);
    expect(has('modelLifecycle', 'EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW')).toBe(true);
  });

  test('replay with the workflows of today', async () => {
    expect(await failures(kept)).toEqual([]);
  });

  test('are kept without a trace of where they were made', () => {
    for (const { history } of kept) {
      const said = JSON.stringify(history);
      expect(said).not.toMatch(/"stackTrace":"[^"]/);
      expect(said).not.toMatch(/\.ts:\d+/);
      expect(said).not.toMatch(/"\d+@/);
      for (const [, identity] of said.matchAll(/"identity":"([^"]*)"/g)) expect(identity).toBe('recorder');
    }
  });
});

describe('a history of other workflows', () => {
  test('does not replay: an activity that the workflow never asked for', async () => {
    const recording = recordings().find(
      ({ workflowType, history }) => workflowType === 'rollout' && JSON.stringify(history).includes('"applyRoute"'),
    );
    const tampered = JSON.parse(JSON.stringify(recording).replace('"applyRoute"', '"rollback"')) as Recording;
    const failed = await failures([tampered]);
    expect(failed).toHaveLength(1);
    expect(failed[0]?.error).toContain('rollback');
  });

  test('does not replay: a step that is missing', async () => {
    const recording = recordings().find(({ workflowType }) => workflowType === 'tune');
    const tampered = JSON.parse(JSON.stringify(recording).replaceAll('"suggestTrial"', '"runTrial"')) as Recording;
    expect(await failures([tampered])).toHaveLength(1);
  });

  test('is not looked for in vain: an empty folder has none', () => {
    expect(recordings(mkdtempSync(join(tmpdir(), 'perennial-histories-')))).toEqual([]);
  });
});
