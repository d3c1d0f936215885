import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import { decideUpdate, type RetrainRequest, retrainUpdate } from '../../contracts/lifecycle.js';
import type { RunResult } from '../../contracts/retrain.js';
import { changePolicy, defaultPolicy } from '../../domain/policy-rules.js';
import { type AllActivities, type FakeWorld, hourMs, look } from './fake-activities.js';
import { fileOf, importing, sameShape } from './imports.js';
import { until } from './waiting.js';
import { timeSkippingStage } from './world.js';

const stage = timeSkippingStage();
const file = fileOf('model.onnx');
const yes = { version: '1.0.1', decision: 'approve' as const, by: 'ann', reason: 'as the native model answers' };

type Run = { readonly world: FakeWorld; readonly lifecycle: WorkflowHandle; readonly run: WorkflowHandle };

/** Imports one file through the model's lifecycle and hands its run to the test. */
async function withImport(
  overrides: Partial<AllActivities>,
  body: (run: Run) => Promise<void>,
  request: Partial<RetrainRequest> = {},
): Promise<void> {
  const world = stage.use({ ...importing(), ...overrides });
  const lifecycle = await stage.lifecycle(world);
  const started = await lifecycle.executeUpdate(retrainUpdate, {
    args: [{ by: 'tester', reason: 'a test', imported: file, ...request }],
  });
  if (started.kind !== 'started') throw new Error(JSON.stringify(started));
  await body({ world, lifecycle, run: stage.environment.client.workflow.getHandle(started.workflowId) });
}

const atApproval = (world: FakeWorld) => until(async () => world.callsOf('requestApproval').length === 1);

/** Ends a run that waits for people. */
async function refuse({ lifecycle, run, world }: Run): Promise<void> {
  await atApproval(world);
  await lifecycle.executeUpdate(decideUpdate, { args: [{ ...yes, decision: 'reject' }] });
  await run.result();
}

const withReport = (report: Partial<Awaited<ReturnType<AllActivities['evaluateImport']>>>): Partial<AllActivities> => ({
  evaluateImport: async () => ({
    latencyP95Ms: 0.4,
    parity: null,
    framework: 'xgboost 3.1.2',
    shape: sameShape,
    example: file.onnx,
    object: { ...file.onnx, mediaType: 'application/json' },
    ...report,
  }),
});

describe('a run that imports a file', () => {
  test('goes through its steps to promotion, without data and training', async () => {
    await withImport({}, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      await lifecycle.executeUpdate(decideUpdate, { args: [yes] });
      const result = (await run.result()) as RunResult;
      expect(result).toMatchObject({ outcome: 'promoted', version: '1.0.1', metrics: [], championMetrics: [] });
      expect(result.steps.map(({ step }) => step)).toEqual([
        'begin',
        'evaluate',
        'gates',
        'package',
        'sign',
        'register',
        'approval',
        'rollout',
      ]);
      expect(result.rollout?.steps.map(({ step }) => step.name)).toEqual(['canary 5%', 'canary 10%', 'canary 25%', 'canary 50%']);
      for (const name of ['extractWindow', 'trainModel', 'evaluateModel', 'packageModel'] as const) expect(world.callsOf(name)).toEqual([]);
    });
  });

  test('hands the file on, and registers what its first runs said of it', async () => {
    const imported = {
      ...file,
      trainedToMs: Date.UTC(2026, 0, 1),
      tolerance: 1e-3,
      example: fileOf('example').onnx,
      expected: fileOf('expected').onnx,
    };
    await withImport(
      {},
      async (started) => {
        await atApproval(started.world);
        const { callsOf } = started.world;
        expect(callsOf('beginRun')).toMatchObject([{ imported }]);
        expect(callsOf('evaluateImport')).toMatchObject([{ imported, definition: { versions: 'imported' }, useCache: true }]);
        expect(callsOf('packageImport')).toMatchObject([{ imported, report: { framework: 'xgboost 3.1.2', shape: sameShape } }]);
        expect(callsOf('registerVersion')).toMatchObject([
          {
            dataset: null,
            trainedFromMs: null,
            trainedToMs: imported.trainedToMs,
            hyperparameters: {},
            metrics: [],
            shape: sameShape,
            framework: 'xgboost 3.1.2',
            package: { signature: { digest: 'sha256:signature' } },
            refused: null,
          },
        ]);
        await refuse(started);
      },
      { imported },
    );
  });

  test('tells how near the file is to its native model, or that nobody said', async () => {
    const details: (string | undefined)[] = [];
    for (const parity of [{ values: 1_200, largestDifference: 2.44e-6, tolerance: 1e-4 }, null])
      await withImport(withReport({ parity }), async (started) => {
        await refuse(started);
        const { steps } = (await started.run.result()) as RunResult;
        details.push(steps.find(({ step }) => step === 'evaluate')?.detail);
      });
    expect(details).toEqual([
      'xgboost 3.1.2; 1,200 values as the native model answers them, largest difference 0.0000024; P95 0.4 ms',
      'xgboost 3.1.2; nobody said what the native model answers; P95 0.4 ms',
    ]);
  });

  test('that is too slow is refused by its gate, packaged and registered without a signature', async () => {
    await withImport(withReport({ latencyP95Ms: 51 }), async ({ world, run }) => {
      const result = (await run.result()) as RunResult;
      expect(result).toMatchObject({ outcome: 'gateRefused', version: '1.0.1', rollout: null });
      expect(result.reason).toBe('P95 latency of a single row 51 ms; limit 50 ms');
      expect(result.steps.map(({ step }) => step)).toEqual(['begin', 'evaluate', 'gates', 'package', 'register']);
      expect(world.callsOf('registerVersion')).toMatchObject([{ refused: result.reason, trainedToMs: null, framework: 'xgboost 3.1.2' }]);
      expect(world.callsOf('signPackage')).toEqual([]);
      expect(world.callsOf('requestApproval')).toEqual([]);
    });
  });

  test('is refused where the policy asks for a measured improvement over the champion', async () => {
    const policy = changePolicy(defaultPolicy, { minRelativeImprovement: 0.02 });
    await withImport(importing({ plan: { policy } }), async ({ run }) => {
      expect(await run.result()).toMatchObject({ outcome: 'gateRefused', reason: 'wape of the candidate was not measured' });
    });
    // The first version has nothing to be better than.
    await withImport(importing({ plan: { policy, champion: null } }), async (started) => {
      await refuse(started);
      expect(await started.run.result()).toMatchObject({ outcome: 'rejected' });
    });
  });

  test('that is rejected ends so, with the reason', async () => {
    await withImport({}, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      await lifecycle.executeUpdate(decideUpdate, { args: [{ ...yes, decision: 'reject', reason: 'no example came with it' }] });
      expect(await run.result()).toMatchObject({ outcome: 'rejected', reason: 'ann: no example came with it', rollout: null });
    });
  });

  test('waits as long as its definition says for a decision, and then expires', async () => {
    await withImport(importing({ definition: { approval: { expiresAfterMs: 5 * hourMs } } }), async ({ world, run }) => {
      await atApproval(world);
      const before = await stage.environment.currentTimeMs();
      expect(await run.result()).toMatchObject({ outcome: 'expired', reason: 'nobody decided within 5 hours' });
      expect((await stage.environment.currentTimeMs()) - before).toBeGreaterThanOrEqual(5 * hourMs);
    });
  });

  test('whose rollout breaches a limit ends rolled back', async () => {
    await withImport({ watchStep: async (input) => look('fail', input.step) }, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      await lifecycle.executeUpdate(decideUpdate, { args: [yes] });
      expect(await run.result()).toMatchObject({ outcome: 'rolledBack', version: '1.0.1' });
      expect(world.callsOf('takeBack')).toMatchObject([{ champion: '1.0.0', investigate: true }]);
    });
  });

  test('whose file is rejected fails with the reason, and leaves no version', async () => {
    const broken: Partial<AllActivities> = {
      evaluateImport: async () => {
        throw ApplicationFailure.nonRetryable('model.onnx keeps weights in weights.bin: put them into the file', 'ArtifactRejected');
      },
    };
    await withImport(broken, async ({ world, run }) => {
      await expect(run.result()).rejects.toThrow('failed');
      expect(world.callsOf('endRun')).toMatchObject([
        { outcome: 'failed', version: null, reason: 'model.onnx keeps weights in weights.bin: put them into the file' },
      ]);
      expect(world.callsOf('evaluateImport')).toHaveLength(1);
      expect(world.callsOf('registerVersion')).toEqual([]);
    });
  });
});

describe('the risk of an imported version', () => {
  /** Risk, its reason and the plan that people are asked about. */
  async function asked(overrides: Partial<AllActivities>): Promise<{ risk: string; reason: string; plan: string }> {
    let seen = { risk: '', reason: '', plan: '' };
    await withImport(overrides, async (started) => {
      await refuse(started);
      const [request] = started.world.callsOf('requestApproval') as {
        risk: string;
        riskReason: string;
        plan: { name: string; steps: object[] };
      }[];
      const [first] = (request?.plan.steps ?? []) as { kind: string }[];
      seen = { risk: request?.risk ?? '', reason: request?.riskReason ?? '', plan: `${request?.plan.name}, ${first?.kind} first` };
    });
    return seen;
  }

  test('is limited beside a champion of the same tensors, however low the definition says', async () => {
    expect(await asked(importing({ definition: { risk: 'low' } }))).toEqual({
      risk: 'limited',
      reason: 'its accuracy was not measured; it was not measured against champion 1.0.0 on the same rows',
      plan: 'fast, canary first',
    });
  });

  test('is high with other tensors, another task, or after a champion that was trained here', async () => {
    for (const shape of [
      { ...sameShape, schemaDigest: 'sha256:other-tensors' },
      { ...sameShape, task: 'classification' },
    ])
      expect(await asked(withReport({ shape }))).toEqual({
        risk: 'high',
        reason: "its architecture is another than the champion's",
        plan: 'fast, shadow first',
      });
    const trained = { version: '1.0.0', package: { digest: 'sha256:p', files: [] }, trainedToMs: 0 };
    const shape = { ...sameShape, trainer: 'lightgbm' };
    expect(await asked(importing({ plan: { champion: { ...trained, shape } } }))).toMatchObject({ risk: 'high' });
  });

  test('is not raised by another framework whose file takes and answers the same', async () => {
    expect(await asked(withReport({ shape: { ...sameShape, recipeDigest: 'sha256:pytorch' } }))).toMatchObject({ risk: 'limited' });
  });

  test('of the first one is what the definition says, and never low', async () => {
    expect(await asked(importing({ definition: { risk: 'low' }, plan: { champion: null } }))).toMatchObject({
      risk: 'limited',
      plan: 'direct, smoke first',
    });
    expect(await asked(importing({ definition: { risk: 'high' }, plan: { champion: null } }))).toMatchObject({ risk: 'high' });
  });
});
