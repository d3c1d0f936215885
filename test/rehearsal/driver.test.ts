import { describe, expect, it } from 'vitest';
import { drive, type Drive } from '../../clients/rehearsal/driver/drive.js';
import { readAnswer } from '../../clients/rehearsal/driver/callers.js';
import { readQuestions, requestHalves, type Question } from '../../clients/rehearsal/driver/questions.js';
import { RunningError } from '../../clients/rehearsal/driver/running-error.js';
import type { DriverReport } from '../../clients/rehearsal/driver-messages.js';
import { PerennialError } from '../../domain/errors.js';
import definition from '../../models/demand-forecast.js';
import { join } from 'node:path';
import { testPlaces } from '../support/servers.js';

const hour = 3_600_000;
const begin = Date.UTC(2011, 9, 1);
const question = (offset: number, actual: number): [number, Question] => [
  begin + offset * hour,
  { timeMs: begin + offset * hour, values: [begin + offset * hour], actual },
];

/** A world of four hours, the third of them absent; what the driver does is written down in order. */
function world(
  change: Partial<Drive['order']> = {},
  standstill: (nowMs: number) => string | null = () => null,
  ask?: Drive['callers']['ask'],
) {
  const done: string[] = [];
  const reports: DriverReport[] = [];
  let nowMs = begin;
  const at = (timeMs: number) => (timeMs - begin) / hour;
  const parts: Drive = {
    order: { untilMs: begin + 4 * hour, speed: Infinity, labelDelayMs: 0, ...change },
    definition,
    questions: new Map([question(-1, 50), question(0, 200), question(1, 100), question(3, 400)]),
    callers: {
      ask:
        ask ??
        (async () => {
          done.push(`ask ${at(nowMs)}`);
          return {
            asked: 3,
            failed: 0,
            byVersion: new Map([['1.0.0', { count: 3, sum: 3 * 150 }]]),
            predictionId: `id-${at(nowMs)}`,
            firstFailure: null,
            seconds: 1,
          };
        }),
    },
    feedback: {
      label: async ({ timeMs, value, predictionId }) => void done.push(`label ${at(timeMs)} ${value} ${predictionId ?? 'by subject'}`),
      flush: async () => void done.push(`flush`),
    },
    time: {
      now: async () => nowMs,
      advance: async (fromMs, toMs) => {
        expect(fromMs).toBe(nowMs);
        nowMs = toMs;
        done.push(`clock ${at(toMs)}`);
      },
      standstill: async () => standstill(nowMs),
    },
    report: (report) => void reports.push(report),
    signal: new AbortController().signal,
  };
  return { parts, done, reports, ended: () => reports.at(-1) };
}

describe('the driver', () => {
  it('labels what is over, asks, stores the captures, and only then moves the clock; absent hours pass without a question', async () => {
    const { parts, done, reports, ended } = world();
    await drive(parts);
    expect(done).toEqual([
      'label -1 50 by subject',
      'ask 0',
      'flush',
      'clock 1',
      'label 0 200 id-0',
      'ask 1',
      'flush',
      'clock 2',
      'label 1 100 id-1',
      'clock 3',
      'ask 3',
      'flush',
      'clock 4',
      'label 3 400 id-3',
    ]);
    expect(reports[0]).toEqual({ kind: 'began', fromMs: begin, untilMs: begin + 4 * hour, hours: 4, absent: 1 });
    expect(ended()).toMatchObject({ kind: 'ended', why: 'reached', hours: 4, requests: 9, failed: 0, labels: 4 });
  });

  it('scores each version over labelled hours: the mean of its answers, hours under the floor left out', async () => {
    const { parts, ended } = world();
    await drive(parts);
    // 150 for 200, 100 and 400: 25%, 50% and 62.5%; the floor of demand-forecast is 100 rentals.
    expect(ended()).toMatchObject({ errors: [{ version: '1.0.0', hours: 3, error: expect.closeTo((0.25 + 0.5 + 0.625) / 3) }] });
  });

  it('posts labels late when told so', async () => {
    const { parts, done } = world({ labelDelayMs: hour });
    await drive(parts);
    expect(done.filter((line) => line.startsWith('label'))).toEqual(['label -1 50 by subject', 'label 0 200 id-0', 'label 1 100 id-1']);
    expect(done.indexOf('label 0 200 id-0')).toBeGreaterThan(done.indexOf('ask 1'));
  });

  it('ends where the data ends', async () => {
    const { parts, ended } = world({ untilMs: begin + 100 * hour });
    await drive(parts);
    expect(ended()).toMatchObject({ kind: 'ended', why: 'noMoreData', nowMs: begin + 4 * hour });
  });

  it('stands still while model time must not move, says why, and goes on after', async () => {
    let looks = 0;
    const { parts, reports, ended } = world({}, (nowMs) => (nowMs === begin + hour && looks++ < 2 ? 'run x trains' : null));
    await drive(parts);
    expect(reports.filter(({ kind }) => kind === 'waiting')).toEqual([{ kind: 'waiting', nowMs: begin + hour, why: 'run x trains' }]);
    expect(ended()).toMatchObject({ why: 'reached', requests: 9 });
  });

  it('counts failed requests, tells the first reason, and does not stop', async () => {
    const { parts, reports, ended } = world({}, undefined, async () => ({
      asked: 3,
      failed: 3,
      byVersion: new Map(),
      predictionId: null,
      firstFailure: 'connect ECONNREFUSED',
      seconds: 1,
    }));
    await drive(parts);
    expect(ended()).toMatchObject({ why: 'reached', requests: 9, failed: 9, errors: [] });
    expect(reports).toContainEqual({ kind: 'trouble', message: '3 of 3 requests failed: connect ECONNREFUSED' });
  });

  it('tells an outcome later that the gateway could not take in its hour, and one that is refused never again', async () => {
    const { parts, done, ended } = world();
    let tries = 0;
    const label: Drive['feedback']['label'] = async (told) => {
      tries += 1;
      if (tries === 1) throw new PerennialError('Unavailable', 'the gateway is away');
      if (told.value === 100) throw new PerennialError('Conflict', 'labelled otherwise already');
      await parts.feedback.label(told);
    };
    await drive({ ...parts, feedback: { ...parts.feedback, label } });
    expect(done.filter((line) => line.startsWith('label'))).toEqual(['label -1 50 by subject', 'label 0 200 id-0', 'label 3 400 id-3']);
    expect(ended()).toMatchObject({ labels: 3 });
  });

  it('ends when told to, before the next hour', async () => {
    const stop = new AbortController();
    stop.abort();
    const { parts, done, ended } = world();
    await drive({ ...parts, signal: stop.signal });
    expect(done).toEqual([]);
    expect(ended()).toMatchObject({ kind: 'ended', why: 'stopped' });
  });
});

describe('the questions of the past', () => {
  it('come out of the definition’s own query, with 115 hours of 2011 absent', async () => {
    const questions = await readQuestions(definition, join(testPlaces().tools, 'data'));
    expect(questions.size).toBe(365 * 24 - 115);
    const first = questions.get(Date.UTC(2011, 0, 1));
    expect(first).toMatchObject({ actual: 16 });
    // hour, temp, atemp, hum, windspeed, weathersit, holiday, workingday
    expect(first?.values).toEqual([Date.UTC(2011, 0, 1), 0.24, 0.2879, 0.81, 0, 1, 0, 0]);
  });

  it('are sent as Open Inference Protocol requests with the caller’s key', () => {
    const [before, after] = requestHalves(definition, { timeMs: 5, values: [5, 0.2, 0.3, 0.4, 0.5, 1, 0, 1], actual: 7 });
    const request = JSON.parse(`${before}"caller-1"${after}`) as { parameters: unknown; inputs: unknown[] };
    expect(request.parameters).toEqual({ key: 'caller-1' });
    expect(request.inputs[0]).toEqual({ name: 'hour', datatype: 'INT64', shape: [1], data: [5] });
    expect(request.inputs).toHaveLength(8);
  });
});

describe('an answer', () => {
  it('is read by version, prediction id and value', () => {
    const body = { model_version: '1.0.1', parameters: { prediction_ids: 'a,b' }, outputs: [{ data: [12.5, 1] }] };
    expect(readAnswer(JSON.stringify(body))).toEqual({ version: '1.0.1', id: 'a', value: 12.5 });
  });

  it.each(['', 'no json', '{}', '{"model_version":"1.0.0","parameters":{"prediction_ids":"a"},"outputs":[{"data":[null]}]}'])(
    'that is none counts as none: %j',
    (body) => expect(readAnswer(body)).toBeNull(),
  );
});

describe('the error so far', () => {
  it('is absolute where the rollout is judged so', () => {
    const errors = new RunningError({ metric: 'absoluteError', floor: 0 });
    errors.predicted(1, new Map([['a', 10]]));
    errors.labelled(1, 7);
    errors.labelled(2, 7);
    expect(errors.errors).toEqual([{ version: 'a', hours: 1, error: 3 }]);
  });

  it('has no hour in which the answer was no number', () => {
    const errors = new RunningError({ metric: 'ape', floor: 1 });
    errors.predicted(1, new Map([['a', NaN]]));
    errors.labelled(1, 7);
    expect(errors.errors).toEqual([]);
  });
});
