import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import type { ImportedModel } from '../../contracts/imported-model.js';
import { type LifecycleState, lifecycleStatusQuery, type RetrainRequest, retrainUpdate } from '../../contracts/lifecycle.js';
import { type AllActivities, fakeWorld, nothingYet } from './fake-activities.js';
import { fileOf, importing } from './imports.js';
import { until } from './waiting.js';
import { devServerStage } from './world.js';

const stage = devServerStage();
const file = fileOf('model.onnx');
const at = Date.UTC(2026, 10, 1);
const person = { by: 'ann', reason: 'a test' };
const trainedHere = fakeWorld().activities;

/** A look at the file that does not come to its end. */
const looking: Partial<AllActivities> = {
  evaluateImport: async () => {
    throw nothingYet();
  },
};

const handleOf = (workflowId: string): WorkflowHandle => stage.environment.client.workflow.getHandle(workflowId);
const stateOf = async (lifecycle: WorkflowHandle): Promise<LifecycleState> => (await lifecycle.query(lifecycleStatusQuery)).state;
const ask = (lifecycle: WorkflowHandle, request: Partial<RetrainRequest> = {}) =>
  lifecycle.executeUpdate(retrainUpdate, { args: [{ ...person, ...request }] });

async function begun(lifecycle: WorkflowHandle, request: Partial<RetrainRequest>): Promise<{ run: string; workflowId: string }> {
  const answer = await ask(lifecycle, request);
  if (answer.kind !== 'started') throw new Error(`expected a start, got ${JSON.stringify(answer)}`);
  return answer;
}

/** What the update was turned away with, before it left a history. */
async function turnedAway(lifecycle: WorkflowHandle, request: Partial<RetrainRequest>): Promise<string> {
  try {
    await ask(lifecycle, request);
  } catch (error) {
    return error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
  }
  throw new Error('it was taken');
}

describe('an import', () => {
  test('without a file is refused and audited; the reason says how to bring one', async () => {
    const world = stage.use(importing());
    const lifecycle = await stage.lifecycle(world);
    for (const trigger of ['manual', 'schedule', 'drift'] as const)
      expect(await ask(lifecycle, { trigger })).toEqual({
        kind: 'refused',
        reason: 'the versions of digits are imported, not trained here: bring a file with ./perennial import digits model.onnx',
      });
    expect(world.callsOf('audit')).toMatchObject([{ outcome: 'refused' }, { outcome: 'refused' }, { outcome: 'refused' }]);
    expect(world.callsOf('beginRun')).toEqual([]);
  });

  test('into a model that is trained here is refused and audited', async () => {
    const world = stage.use();
    const lifecycle = await stage.lifecycle(world);
    expect(await ask(lifecycle, { imported: file })).toEqual({
      kind: 'refused',
      reason: "tiny is trained here, by its definition; give the imported file a model of its own (versions: 'imported')",
    });
    expect(world.callsOf('audit')).toMatchObject([{ action: 'retrain', outcome: 'refused', by: 'ann' }]);
    expect((await stateOf(lifecycle)).active).toEqual([]);
  });

  test('of another file at the same moment is another run, which waits for the first', async () => {
    const world = stage.use({ ...importing(), ...looking });
    const lifecycle = await stage.lifecycle(world);
    const other = fileOf('other.onnx');
    const first = await begun(lifecycle, { asOf: at, imported: file });
    const second = await ask(lifecycle, { asOf: at, imported: other });
    expect(second).toMatchObject({ kind: 'queued', behind: first.run });
    expect(second).not.toMatchObject({ run: first.run });
    expect((await stateOf(lifecycle)).queue).toMatchObject([{ asOfMs: at, imported: other }]);
    await until(async () => world.callsOf('evaluateImport').length === 1);
    await handleOf(first.workflowId).cancel();
    await until(async () => world.callsOf('evaluateImport').length === 2);
    expect(world.callsOf('evaluateImport')).toMatchObject([{ imported: file }, { imported: other }]);
  });

  test('asked for again with the same request id is the same run', async () => {
    const world = stage.use({ ...importing(), ...looking });
    const lifecycle = await stage.lifecycle(world);
    const first = await begun(lifecycle, { requestId: 'upload-1', imported: file });
    expect(await ask(lifecycle, { requestId: 'upload-1', imported: file })).toEqual({ kind: 'started', ...first });
    const { active, queue } = await stateOf(lifecycle);
    expect([active.length, queue.length]).toEqual([1, 0]);
  });

  test('keeps its file when the lifecycle continues as new while it waits', async () => {
    const world = stage.use({ ...importing(), ...looking });
    const { firstExecutionRunId, workflowId } = await stage.lifecycle(world, { messagesBeforeContinueAsNew: 2 });
    const lifecycle = handleOf(workflowId);
    const first = await begun(lifecycle, { imported: file });
    await ask(lifecycle, { imported: fileOf('waits.onnx') });
    await until(async () => (await lifecycle.describe()).runId !== firstExecutionRunId);
    await until(async () => world.callsOf('evaluateImport').length === 1);
    await handleOf(first.workflowId).cancel();
    await until(async () => world.callsOf('evaluateImport').length === 2);
    expect(world.callsOf('evaluateImport')[1]).toMatchObject({ imported: fileOf('waits.onnx') });
  });

  test('that waited while the model became one that is trained here fails with that reason', async () => {
    const world = stage.use({ ...importing(), ...looking });
    const lifecycle = await stage.lifecycle(world);
    const first = await begun(lifecycle, { imported: file });
    await ask(lifecycle, { imported: fileOf('late.onnx') });
    await until(async () => world.callsOf('evaluateImport').length === 1);
    world.activities.activeDefinition = trainedHere.activeDefinition;
    world.activities.beginRun = trainedHere.beginRun;
    await handleOf(first.workflowId).cancel();
    await until(async () => world.callsOf('endRun').length === 2);
    expect(world.callsOf('endRun')[1]).toMatchObject({
      outcome: 'failed',
      version: null,
      reason: `${world.model} is trained here by its definition now; no file of it is imported`,
    });
    expect(world.callsOf('extractWindow')).toEqual([]);
  });

  test('is no cure for a training run that waited while the model became an imported one', async () => {
    const training: Partial<AllActivities> = { trainModel: looking.evaluateImport as never };
    const world = stage.use(training);
    const lifecycle = await stage.lifecycle(world);
    const first = await begun(lifecycle, { asOf: at });
    await ask(lifecycle, { asOf: at + 1 });
    await until(async () => world.callsOf('trainModel').length === 1);
    Object.assign(world.activities, importing());
    await handleOf(first.workflowId).cancel();
    await until(async () => world.callsOf('endRun').length === 2);
    expect(world.callsOf('endRun')[1]).toMatchObject({
      outcome: 'failed',
      reason: `the versions of ${world.model} are imported, and this run brought no file: ./perennial import ${world.model} model.onnx`,
    });
  });

  test('that says its file in another form is turned away with the form that is expected', async () => {
    const world = stage.use(importing());
    const lifecycle = await stage.lifecycle(world);
    const { onnx } = file;
    const cases: [unknown, RegExp][] = [
      [null, /"imported": \{"onnx": \{"digest": "sha256:…"/],
      ['model.onnx', /"imported": \{"onnx"/],
      [{}, /"imported": \{"onnx"/],
      [{ onnx: { ...onnx, digest: 'sha256:1' } }, /"imported": \{"onnx"/],
      [{ onnx: { ...onnx, bytes: '1' } }, /"imported": \{"onnx"/],
      [{ onnx: { ...onnx, mediaType: ' ' } }, /"imported": \{"onnx"/],
      [{ onnx, example: '{"inputs":[]}' }, /"imported\.example" as an object of the store/],
      [{ onnx, expected: null }, /"imported\.expected" as an object of the store/],
      [{ onnx, expected: onnx }, /"imported\.example", the request to which "imported\.expected" is the answer/],
      [{ onnx, framework: '' }, /"imported\.framework" as text/],
      [{ onnx, tolerance: -1 }, /"imported\.tolerance" as a number, 0 or more/],
      [{ onnx, tolerance: '1e-4' }, /"imported\.tolerance"/],
      [{ onnx, trainedToMs: '2026-01-01' }, /"imported\.trainedToMs" as whole epoch milliseconds/],
    ];
    for (const [imported, expected] of cases)
      expect(await turnedAway(lifecycle, { imported: imported as ImportedModel })).toMatch(expected);
    expect(world.calls.filter(({ name }) => name === 'activeDefinition' || name === 'beginRun')).toEqual([]);
  });
});
