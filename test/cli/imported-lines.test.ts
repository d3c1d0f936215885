import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { runLines, trainedText } from '../../clients/cli/output/record-lines.js';
import { evidenceLines, rolloutLines } from '../../clients/cli/output/rollout-lines.js';
import { styleFor } from '../../clients/cli/output/style.js';
import type { RunDetails } from '../../clients/api/answers.js';
import { lookAtStep } from '../../domain/rollout-judgement.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import { tensorsDefinition } from '../support/imported-definitions.js';

const canvas = { style: styleFor(new PassThrough(), {}), width: 300 };
const hourMs = 3_600_000;
const figures = { requests: 5_000, errors: 0, p50Ms: 5, p95Ms: 10, p99Ms: 20 };

function evidence(quality?: { metric: 'ape' | 'absoluteError'; floor: number }) {
  const limits = { ...tensorsDefinition.rollout.limits, ...(quality === undefined ? {} : { quality }) };
  return lookAtStep({
    step: rolloutPlans.fast.steps[0]!,
    limits,
    elapsedMs: hourMs,
    measurements: {
      fromMs: 0,
      toMs: hourMs,
      champion: { version: '1.0.0', ...figures },
      challenger: { version: '1.0.1', ...figures },
      pairs: [],
    },
  });
}

test('a step that labels do not judge is shown without pairs and errors of theirs, and tells that quality was not shown', () => {
  const lines = evidenceLines(evidence(), canvas);
  const text = lines.join('\n');
  expect(lines[0]).toMatch(/\(model time\)$/);
  expect(lines[1]?.trim().split(/ {2,}/)).toEqual(['version', 'share', 'requests', 'P50', 'P95', 'P99', 'errors']);
  expect(lines[3]?.trim().split(/ {2,}/)).toHaveLength(8);
  expect(text).not.toMatch(/MAE|MAPE|labelled pairs/);
  expect(text).toMatch(/quality +notShown +the definition judges no rollout by labels/);
  expect(lines.at(-1)).toBe('verdict: pass');
});

test('its plan says of no step how much worse it may be, as that of one which labels judge does', () => {
  const shown = (of: ReturnType<typeof evidence>) => {
    const rollout = {
      model: 'digits',
      version: '1.0.1',
      champion: '1.0.0',
      plan: rolloutPlans.fast,
      status: 'running',
      reason: null,
      steps: [{ stepIndex: 0, evidence: of, decided: false, lookedAtMs: 0 }],
    };
    return rolloutLines({ rollout, live: null } as unknown as Parameters<typeof rolloutLines>[0], canvas).join('\n');
  };
  expect(shown(evidence())).toMatch(/canary 10% +10% of the traffic; at least 30 min, decided within 5 d *$/m);
  expect(shown(evidence({ metric: 'ape', floor: 0 }))).toMatch(/decided within 5 d, at most 30% worse/);
});

test('a step that they do judge keeps both', () => {
  const [head, titles] = evidenceLines(evidence({ metric: 'absoluteError', floor: 0 }), canvas);
  expect(head).toMatch(/, 0 labelled pairs$/);
  expect(titles).toMatch(/errors +MAE$/);
});

test('a run that imported a file shows its gates, though nothing was measured on rows', () => {
  const gate = {
    gate: { kind: 'latency', maxP95Ms: 50 } as const,
    outcome: 'refused' as const,
    measured: 80,
    limit: 50,
    count: 1,
    reason: 'P95 latency of a single row 80 ms; limit 50 ms',
  };
  const run = {
    run: 'r-1',
    model: 'digits',
    outcome: 'gateRefused',
    outcomeReason: null,
    version: '1.0.0',
    asOfMs: 0,
    requestedBy: 'ann',
    trigger: 'manual',
    reason: 'a test',
    startedAtMs: 0,
    endedAtMs: 1,
    definitionDigest: 'sha256:1',
    dataDigest: null,
    codeRevision: 'abc',
    steps: [],
    trials: [],
    result: { metrics: [], championMetrics: [], gates: [gate] },
  } as unknown as RunDetails;
  const text = runLines(run, null, canvas).join('\n');
  expect(text).toMatch(/latency +refused +P95 latency of a single row 80 ms; limit 50 ms/);
  expect(text).not.toContain('candidate');
});

test('what a version was trained on is told as far as it is known', () => {
  expect(trainedText({ trainedFromMs: null, trainedToMs: null })).toBe('not told: it was imported');
  expect(trainedText({ trainedFromMs: null, trainedToMs: 0 })).toMatch(/^rows before 1970-01-01/);
  expect(trainedText({ trainedFromMs: 0, trainedToMs: hourMs })).toMatch(/ to /);
});
