import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import { decideUpdate, lifecycleStatusQuery, type RetrainRequest, retrainUpdate, approveSignal } from '../../contracts/lifecycle.js';
import { progressQuery, type RunResult } from '../../contracts/retrain.js';
import { defaultPolicy } from '../../domain/policy-rules.js';
import { type AllActivities, type FakeWorld, hourMs, look, tinyDefinition } from './fake-activities.js';
import { until } from './waiting.js';
import { timeSkippingStage } from './world.js';

const stage = timeSkippingStage();

type Run = { readonly world: FakeWorld; readonly lifecycle: WorkflowHandle; readonly run: WorkflowHandle };

/** Starts one run through the model's lifecycle and hands it to the test. */
async function withRun(
  overrides: Partial<AllActivities>,
  body: (run: Run) => Promise<void>,
  request: Partial<RetrainRequest> = {},
): Promise<void> {
  const world = stage.use(overrides);
  const lifecycle = await stage.lifecycle(world);
  const started = await lifecycle.executeUpdate(retrainUpdate, { args: [{ by: 'tester', reason: 'a test', ...request }] });
  if (started.kind !== 'started') throw new Error(JSON.stringify(started));
  await body({ world, lifecycle, run: stage.environment.client.workflow.getHandle(started.workflowId) });
}

/** Until somebody was asked. */
const atApproval = (world: FakeWorld) => until(async () => world.callsOf('requestApproval').length === 1);
/** Ends a run that waits for people. (A run that is terminated while its worker has a task leaves the server's time standing still.) */
async function refuse(lifecycle: WorkflowHandle, run: WorkflowHandle): Promise<void> {
  await lifecycle.executeUpdate(decideUpdate, { args: [{ ...yes, decision: 'reject' }] });
  await run.result();
}

const yes = { version: '1.0.1', decision: 'approve' as const, by: 'ann', reason: 'looks good' };

describe('a run', () => {
  test('that passes its gates is approved, rolled out and promoted', async () => {
    await withRun({}, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      expect(await lifecycle.executeUpdate(decideUpdate, { args: [yes] })).toMatchObject({ kind: 'settled', status: 'approved' });
      const result = (await run.result()) as RunResult;
      expect(result).toMatchObject({ outcome: 'promoted', version: '1.0.1' });
      expect(result.rollout?.steps.map((step) => step.step.name)).toEqual(['canary 5%', 'canary 10%', 'canary 25%', 'canary 50%']);
      expect(result.steps.map((step) => step.step)).toEqual([
        'begin',
        'extract',
        'check',
        'features',
        'split',
        'tune',
        'train',
        'evaluate',
        'gates',
        'refit',
        'package',
        'sign',
        'register',
        'approval',
        'rollout',
      ]);
      expect(world.callsOf('promote')).toHaveLength(1);
      expect(world.callsOf('endRun')).toHaveLength(1);
      await until(async () => {
        const { state } = await lifecycle.query(lifecycleStatusQuery);
        return state.active.length === 0 && state.rollout === null && state.lastResult?.outcome === 'promoted';
      });
    });
  });

  test('trains the winner of the study on the training part, and refits it on all rows', async () => {
    await withRun({}, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      const [train, refit] = world.callsOf('trainModel');
      // The third trial is the best one of the fakes: 0.15 - 2 / 100.
      expect(train).toMatchObject({ purpose: 'train', hyperparameters: { num_leaves: 22 }, train: { digest: 'sha256:train' } });
      expect(refit).toMatchObject({ purpose: 'refit', hyperparameters: { num_leaves: 22 }, train: { digest: 'sha256:all' } });
      const suggestions = world.callsOf('suggestTrial') as { number: number; trials: { state: string }[] }[];
      expect(suggestions.map(({ number, trials }) => [number, trials.length])).toEqual([
        [expect.any(Number), 0],
        [expect.any(Number), expect.any(Number)],
        [2, expect.any(Number)],
      ]);
      await refuse(lifecycle, run);
    });
  });

  test('whose gate refuses ends with a registered, refused candidate and no rollout', async () => {
    const strict = { ...tinyDefinition, gates: [{ kind: 'maximum' as const, metric: 'mape', limit: 0.1, minRows: 10 }] };
    const published = { digest: 'sha256:strict', definition: strict };
    await withRun(
      {
        beginRun: async () => ({
          published,
          policy: defaultPolicy,
          architectureChanged: false,
          champion: null,
        }),
      },
      async ({ world, run }) => {
        const result = (await run.result()) as RunResult;
        expect(result).toMatchObject({ outcome: 'gateRefused', version: '1.0.1', rollout: null });
        expect(result.reason).toContain('10%');
        expect(world.callsOf('registerVersion')[0]).toMatchObject({ refused: expect.stringContaining('10%') });
        expect(world.callsOf('signPackage')).toHaveLength(0);
        expect(world.callsOf('requestApproval')).toHaveLength(0);
      },
    );
  });

  test('is approved by a plain signal as well', async () => {
    await withRun({}, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      await lifecycle.signal(approveSignal, { version: '1.0.1', by: 'ann', reason: 'by signal' });
      expect(await run.result()).toMatchObject({ outcome: 'promoted' });
    });
  });

  test('that is rejected ends so, with the reason', async () => {
    await withRun({}, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      await lifecycle.executeUpdate(decideUpdate, { args: [{ ...yes, decision: 'reject', reason: 'the holdout is odd' }] });
      expect(await run.result()).toMatchObject({ outcome: 'rejected', reason: 'ann: the holdout is odd' });
      expect(world.callsOf('beginRollout')).toHaveLength(0);
    });
  });

  test('waits three days for a decision and then expires', async () => {
    await withRun({}, async ({ world, run }) => {
      await atApproval(world);
      const before = await stage.environment.currentTimeMs();
      expect(await run.result()).toMatchObject({ outcome: 'expired' });
      expect((await stage.environment.currentTimeMs()) - before).toBeGreaterThanOrEqual(72 * hourMs);
      expect(world.callsOf('settleApproval')[0]).toMatchObject({ version: '1.0.1', status: 'expired' });
    });
  });

  test('keeps a decision that was written in the moment of its expiry', async () => {
    await withRun({ settleApproval: async () => ({ status: 'approved' as const }) }, async ({ world, run }) => {
      await atApproval(world);
      expect(await run.result()).toMatchObject({ outcome: 'promoted' });
    });
  });

  test('approved by policy does not wait for anybody', async () => {
    const approved: Partial<AllActivities> = {
      requestApproval: async ({ model, version }) => ({
        settled: 'approved' as const,
        reason: 'low risk inside policy 1',
        request: {
          model,
          version,
          risk: 'low' as const,
          riskReason: '',
          requestedBy: 'tester',
          approvers: [],
          evidenceDigest: 'sha256:e',
          status: 'approved' as const,
          decisions: [],
          expiresAtMs: 0,
        },
      }),
    };
    await withRun(approved, async ({ world, run }) => {
      expect(await run.result()).toMatchObject({ outcome: 'promoted' });
      expect(world.callsOf('decide')).toHaveLength(0);
    });
  });

  test('whose rollout breaches a limit ends rolled back, with the evidence', async () => {
    await withRun({ watchStep: async (input) => look('fail', input.step) }, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      await lifecycle.executeUpdate(decideUpdate, { args: [yes] });
      const result = (await run.result()) as RunResult;
      expect(result).toMatchObject({ outcome: 'rolledBack', version: '1.0.1' });
      expect(result.rollout?.steps).toHaveLength(1);
      expect(world.callsOf('takeBack')[0]).toMatchObject({ champion: '1.0.0', investigate: true });
    });
  });

  test('that fails for a technical reason fails, keeps its record, and frees the model', async () => {
    const broken: Partial<AllActivities> = {
      trainModel: async () => {
        throw ApplicationFailure.nonRetryable('lightgbm said: out of leaves', 'TrainerFailed');
      },
    };
    await withRun(broken, async ({ world, lifecycle, run }) => {
      await expect(run.result()).rejects.toThrow('failed');
      expect(world.callsOf('endRun')[0]).toMatchObject({ outcome: 'failed', reason: 'lightgbm said: out of leaves' });
      await until(async () => (await lifecycle.query(lifecycleStatusQuery)).state.active.length === 0);
    });
  });

  test('that is cancelled while it trains ends failed, with that reason', async () => {
    const hanging: Partial<AllActivities> = {
      trainModel: async () => {
        throw ApplicationFailure.create({ message: 'not yet', nextRetryDelay: '300 days' });
      },
    };
    await withRun(hanging, async ({ world, run }) => {
      await until(async () => (await run.query(progressQuery)).stage === 'train');
      await run.cancel();
      await expect(run.result()).rejects.toThrow();
      expect(world.callsOf('endRun')[0]).toMatchObject({ outcome: 'failed', reason: 'cancelled' });
    });
  });

  test('says of each step that was reused where it came from', async () => {
    const reused: Partial<AllActivities> = {
      buildFeatures: async () => ({
        object: { digest: 'sha256:all', bytes: 1, mediaType: 'x' },
        rows: 100,
        features: ['hour'],
        target: 'y',
        fromMs: 0,
        toMs: 1,
        reusedFrom: 'an-earlier-run',
      }),
    };
    await withRun(reused, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      const { steps } = await run.query(progressQuery);
      expect(steps.find((step) => step.step === 'features')).toMatchObject({
        status: 'reused',
        detail: expect.stringContaining('an-earlier-run'),
      });
      await refuse(lifecycle, run);
    });
  });

  test('hears a decision that came in the moment it asked', async () => {
    const fakes = stage.use();
    const lifecycle = await stage.lifecycle(fakes);
    const ask = fakes.activities.requestApproval;
    fakes.activities.requestApproval = async (input) => {
      const answer = await ask(input);
      await lifecycle.executeUpdate(decideUpdate, { args: [{ ...yes, decision: 'reject', reason: 'quick' }] });
      return answer;
    };
    const started = await lifecycle.executeUpdate(retrainUpdate, { args: [{ by: 'tester', reason: 'a test' }] });
    if (started.kind !== 'started') throw new Error(JSON.stringify(started));
    expect(await stage.environment.client.workflow.getHandle(started.workflowId).result()).toMatchObject({
      outcome: 'rejected',
      reason: 'ann: quick',
    });
    expect(fakes.callsOf('settleApproval')).toHaveLength(0);
  });

  test('of a definition without tuning and refit skips both, and serves the evaluated file itself', async () => {
    const { tuning: _, ...untuned } = tinyDefinition;
    const definition = { ...untuned, trainer: { ...tinyDefinition.trainer, refit: false } };
    const overrides: Partial<AllActivities> = {
      beginRun: async () => ({
        published: { digest: 'sha256:plain', definition },
        policy: defaultPolicy,
        architectureChanged: false,
        champion: null,
      }),
    };
    await withRun(overrides, async ({ world, lifecycle, run }) => {
      await atApproval(world);
      await lifecycle.executeUpdate(decideUpdate, { args: [{ ...yes, decision: 'reject' }] });
      const { steps } = (await run.result()) as RunResult;
      expect(steps.filter((step) => step.status === 'skipped').map((step) => step.step)).toEqual(['tune', 'refit']);
      expect(world.callsOf('trainModel')).toMatchObject([{ purpose: 'train', hyperparameters: { num_leaves: 31 } }]);
      expect(world.callsOf('registerVersion')).toMatchObject([{ trainedToMs: 100 * hourMs, refused: null }]);
      expect(world.callsOf('requestApproval')).toMatchObject([{ firstVersion: true, plan: { name: 'direct' } }]);
    });
  });

  test('that is cancelled while people are asked ends failed, with that reason', async () => {
    await withRun({}, async ({ world, run }) => {
      await atApproval(world);
      await run.cancel();
      await expect(run.result()).rejects.toThrow();
      expect(world.callsOf('endRun')).toMatchObject([{ outcome: 'failed', reason: 'cancelled', version: '1.0.1' }]);
    });
  });

  test('asks its source three times, with waits of 4 to 10 seconds, and then gives up', async () => {
    const at: number[] = [];
    const away: Partial<AllActivities> = {
      extractWindow: async () => {
        at.push(await stage.environment.currentTimeMs());
        throw ApplicationFailure.create({ message: 'the source does not answer', type: 'Unavailable' });
      },
    };
    await withRun(away, async ({ world, run }) => {
      await expect(run.result()).rejects.toThrow();
      expect(at).toHaveLength(3);
      const [first = 0, second = 0, third = 0] = at;
      expect(second - first).toBeGreaterThanOrEqual(4_000);
      expect(third - second).toBeGreaterThanOrEqual(8_000);
      expect(world.callsOf('endRun')).toMatchObject([{ outcome: 'failed', reason: 'the source does not answer' }]);
    });
  });
});
