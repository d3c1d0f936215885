import { formatAgainst, formatLatency, formatMetricFigure, formatNumber, formatPercent, formatRows } from './format.js';
import type { GateDefinition, GateEvidence, GateOutcome, GateResult } from './gates.js';
import type { MetricValue } from './metrics.js';

type MetricGate = Extract<GateDefinition, { metric: string }>;
type Finding = {
  readonly outcome: GateOutcome;
  readonly measured: number | null;
  readonly limit: number | null;
  readonly count: number;
  readonly reason: string;
};

/**
 * Judges every gate. A gate passes only on a finite figure over enough rows: a metric that is absent, has no figure or
 * too few rows refuses, with that reason. `notWorseThanChampion` is `notApplicable` without a champion. Limits of
 * `maximum`, `minimum` and `latency` are strict (15% is not below 15%); bias is compared by its size.
 *
 * `refused` is null when no gate refuses, else one sentence with every refusal. A list without any gate refuses too.
 */
export function judgeGates(
  gates: readonly GateDefinition[],
  evidence: GateEvidence,
): { readonly results: readonly GateResult[]; readonly refused: string | null } {
  if (gates.length === 0)
    return { results: [], refused: 'no gate is defined, so nothing shows that the candidate is fit: add one to "gates" in the definition' };
  const results = gates.map((gate) => judgeGate(gate, evidence));
  const refusals = results.filter((result) => result.outcome === 'refused').map((result) => result.reason);
  return { results, refused: refusals.length === 0 ? null : refusals.join('; ') };
}

/** Judges one gate, as `judgeGates` does. */
export function judgeGate(gate: GateDefinition, evidence: GateEvidence): GateResult {
  return { gate, ...(gate.kind === 'latency' ? judgeLatency(gate.maxP95Ms, evidence.latencyP95Ms) : judgeMetricGate(gate, evidence)) };
}

function judgeMetricGate(gate: MetricGate, evidence: GateEvidence): Finding {
  if (gate.kind !== 'notWorseThanChampion') {
    const found = usable(gate, evidence.candidate, 'the candidate');
    return 'outcome' in found ? found : judgeBound(gate, found);
  }
  if (evidence.champion === null) {
    return {
      outcome: 'notApplicable',
      measured: null,
      limit: null,
      count: 0,
      reason: `${gate.metric}: there is no champion to compare with`,
    };
  }
  const candidate = usable(gate, evidence.champion.candidateMetrics, 'the candidate');
  if ('outcome' in candidate) return candidate;
  const champion = usable(gate, evidence.champion.metrics, `champion ${evidence.champion.version}`);
  if ('outcome' in champion) return champion;
  return judgeAgainstChampion(gate, { candidate, champion, version: evidence.champion.version });
}

type Figure = { readonly metric: MetricValue; readonly value: number };

/** The figure of a metric when it may be judged, else the refusal. */
function usable(gate: MetricGate, metrics: readonly MetricValue[], whose: string): Figure | Finding {
  const metric = metrics.find((one) => one.name === gate.metric);
  const refuse = (count: number, reason: string): Finding => ({ outcome: 'refused', measured: null, limit: null, count, reason });
  if (metric === undefined) return refuse(0, `${gate.metric} of ${whose} was not measured`);
  if (metric.value === null || !Number.isFinite(metric.value)) {
    return refuse(metric.count, `${gate.metric} of ${whose} has no figure (${formatRows({ ...metric, value: null })})`);
  }
  if (!(metric.count >= Math.max(1, gate.minRows))) {
    return refuse(
      metric.count,
      `${gate.metric} of ${whose} rests on ${formatRows(metric)}; the gate asks for at least ${formatNumber(Math.max(1, gate.minRows))}`,
    );
  }
  return { metric, value: metric.kind === 'bias' ? Math.abs(metric.value) : metric.value };
}

function judgeBound(gate: Extract<GateDefinition, { kind: 'maximum' | 'minimum' }>, { metric, value }: Figure): Finding {
  const passed = gate.kind === 'maximum' ? value < gate.limit : value > gate.limit;
  const figure = formatAgainst((one, digits) => write(metric, one, digits), { measured: value, limit: gate.limit });
  const limit = `${gate.kind === 'maximum' ? 'limit' : 'at least'} ${formatMetricFigure(metric.kind, gate.limit)}`;
  return {
    outcome: passed ? 'passed' : 'refused',
    measured: value,
    limit: gate.limit,
    count: metric.count,
    reason: `${gate.metric} ${figure} over ${formatRows(metric)}; ${limit}`,
  };
}

function judgeAgainstChampion(
  gate: Extract<GateDefinition, { kind: 'notWorseThanChampion' }>,
  { candidate, champion, version }: { candidate: Figure; champion: Figure; version: string },
): Finding {
  const limit = champion.value * (1 + gate.maxRelativeIncrease);
  const { metric, value } = candidate;
  const shared = { measured: value, limit, count: metric.count };
  if (metric.count !== champion.metric.count || metric.floor !== champion.metric.floor) {
    return {
      ...shared,
      outcome: 'refused',
      reason: `${gate.metric} of candidate and champion ${version} cover different rows (${formatRows(metric)}; ${formatRows(champion.metric)}), so they cannot be compared`,
    };
  }
  if (!Number.isFinite(limit))
    return { ...shared, limit: null, outcome: 'refused', reason: `${gate.metric}: the champion's figure gives no limit` };
  const figure = formatAgainst((one, digits) => write(metric, one, digits), { measured: value, limit });
  const allowance =
    gate.maxRelativeIncrease === 0
      ? 'may not be worse'
      : `may be ${gate.maxRelativeIncrease > 0 ? 'worse by' : 'no worse than better by'} ${formatPercent(Math.abs(gate.maxRelativeIncrease))} of it`;
  return {
    ...shared,
    outcome: value <= limit ? 'passed' : 'refused',
    reason: `${gate.metric} ${figure} against ${write(champion.metric, champion.value, 1)} of champion ${version} over the same ${formatRows(metric)}; ${allowance} (limit ${write(metric, limit, 2)})`,
  };
}

function judgeLatency(maxP95Ms: number, measured: number | null): Finding {
  if (measured === null || !Number.isFinite(measured) || measured < 0) {
    return { outcome: 'refused', measured: null, limit: maxP95Ms, count: 0, reason: 'P95 latency of a single row was not measured' };
  }
  return {
    outcome: measured < maxP95Ms ? 'passed' : 'refused',
    measured,
    limit: maxP95Ms,
    count: 1,
    reason: `P95 latency of a single row ${formatLatency(measured)}; limit ${formatLatency(maxP95Ms)}`,
  };
}

function write(metric: MetricValue, value: number, digits: number): string {
  return metric.kind === 'mape' || metric.kind === 'wape'
    ? formatPercent(value, digits)
    : digits === 1
      ? formatNumber(value)
      : `${Number(value.toPrecision(digits + 3))}`;
}
