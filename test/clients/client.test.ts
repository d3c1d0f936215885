import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PerennialClient } from '../../clients/client/perennial-client.js';
import { PerennialClient as Client } from '../../clients/client/perennial-client.js';
import type { RunWatch } from '../../clients/client/wait-for-run.js';
import { openStage } from '../gateway/support/stage.js';
import { openStack, type Stack, token } from './stack.js';

const stage = await openStage();
let stack: Stack;
let client: PerennialClient;
beforeAll(async () => {
  stack = await openStack();
  client = await stack.connect();
});
afterAll(async () => {
  await client?.close();
  await stack?.close();
});

const asOf = new Date(Date.UTC(2011, 9, 1));

describe('a service that uses the client', () => {
  test('starts a run of a model that has no lifecycle yet, follows it, and reads its result', async () => {
    const { name } = await stack.publish();
    const answer = await client.startRetrain(name, { by: 'billing', reason: 'new prices', asOf, requestId: 'order-1' });
    if (answer.kind !== 'started') throw new Error(JSON.stringify(answer));
    expect(await client.startRetrain(name, { by: 'billing', reason: 'new prices', asOf, requestId: 'order-1' })).toEqual(answer);
    const seen: RunWatch[] = [];
    const result = await client.waitForRun(answer.workflowId, (watch) => seen.push(watch));
    expect(result).toMatchObject({ model: name, run: answer.run, version: '1.0.0', outcome: 'promoted' });
    expect(seen.some((watch) => watch.kind === 'progress' && watch.progress.steps.length > 0)).toBe(true);
    const status = await client.status(name);
    expect(status).toMatchObject({ aliases: { champion: '1.0.0' }, clock: { kind: 'live' }, lifecycle: { paused: null } });
    expect(await client.api.resolve(`models:/${name}@champion`)).toEqual({ model: name, version: '1.0.0' });
  });

  test('gets refusals as answers with their reason', async () => {
    const { name } = await stack.publish();
    const by = { by: 'billing', reason: 'a test' };
    expect(await client.rollback(name, by)).toMatchObject({ accepted: false });
    expect(await client.promote(name, { ...by, version: '9.9.9' })).toMatchObject({ accepted: false });
    expect(await client.decide(name, { ...by, version: '9.9.9', decision: 'approve' })).toMatchObject({ kind: 'refused' });
    expect(await client.rolloutAction({ model: name, version: '9.9.9' }, 'abort', by)).toEqual({
      accepted: false,
      reason: `no rollout of ${name} 9.9.9 runs`,
    });
    expect(await client.pause(name, by)).toMatchObject({ accepted: true });
    expect(await client.startRetrain(name, { ...by, asOf })).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/paused/) as string,
    });
    expect(await client.resume(name, by)).toMatchObject({ accepted: true });
  });

  test('uses the driven clock of a model that has one', async () => {
    const { name } = await stack.publish();
    await client.api.putClock(name, { nowMs: asOf.getTime() });
    const answer = await client.startRetrain(name, { by: 'billing', reason: 'rehearsal', trigger: 'rehearsal' });
    if (answer.kind !== 'started') throw new Error(JSON.stringify(answer));
    await client.waitForRun(answer.workflowId);
    expect((await client.api.run(name, answer.run)).asOfMs).toBe(asOf.getTime());
  });

  test('hears of a model that does not exist, of a wrong message, and of a wrong token as errors', async () => {
    await expect(client.startRetrain('nowhere', { by: 'billing', reason: 'x' })).rejects.toMatchObject({
      name: 'PerennialError',
      message: expect.stringMatching(/There is no model nowhere/) as string,
    });
    const { name } = await stack.publish();
    await expect(client.startRetrain(name, { by: '', reason: 'x' })).rejects.toMatchObject({ type: 'DataInvalid' });
    const stranger = await Client.connect({
      temporalAddress: stack.temporal.address,
      namespace: stack.temporal.namespace,
      apiUrl: stack.apiUrl,
      gatewayUrl: '',
      token: 'x'.repeat(43),
    });
    await expect(stranger.status(name)).rejects.toMatchObject({ type: 'NotApproved', details: { status: 401 } });
    await stranger.close();
    await expect(Client.connect({ temporalAddress: '127.0.0.1:1', apiUrl: stack.apiUrl, gatewayUrl: '', token })).rejects.toMatchObject({
      type: 'Unavailable',
    });
  });

  test('predicts by rows and by tensors, for a caller with a key', async () => {
    const request = [
      { name: 'hour', datatype: 'INT64' as const },
      { name: 'temp', datatype: 'FP64' as const },
      { name: 'hum', datatype: 'FP64' as const },
    ];
    const features = ['temp', 'hum'].map((name) => ({ kind: 'input' as const, name, column: name }));
    const { name } = await stack.publish({
      features,
      serving: { endpointKind: 'realtime', request, output: { name: 'value' }, subject: ['hour'] },
    });
    const gateway = await stage.serve([
      { model: name, version: '1.0.0', onnx: 'linear', spec: { request, features, output: { name: 'value' } } },
    ]);
    const predicting = await Client.connect({
      temporalAddress: stack.temporal.address,
      namespace: stack.temporal.namespace,
      apiUrl: stack.apiUrl,
      gatewayUrl: gateway.url,
      token,
    });
    const rows = [
      { hour: asOf.getTime(), temp: 3, hum: 4 },
      { hour: asOf.getTime() + 3_600_000, temp: 1, hum: 1 },
    ];
    const answer = await predicting.predict(name, rows, { key: 'station-17' });
    expect(answer).toMatchObject({ model: name, version: '1.0.0', outputs: [{ name: 'value', data: [43, 11] }] });
    expect(answer.ids).toHaveLength(2);
    await expect(predicting.predict(name, [{ hour: 1, temp: 3 }])).rejects.toThrow(/Row 0 lacks hum.*hum \(FP64\)/);
    await expect(predicting.predict(name, [{ hour: 1, temp: 3, hum: 1, wind: 4 }])).rejects.toThrow(/wind, which the model does not know/);
    await expect(predicting.predict('nowhere', { inputs: [{ name: 'a', datatype: 'FP32', shape: [1], data: [1] }] })).rejects.toThrow(
      /unknown model/,
    );
    await predicting.close();

    const shown = await stack.cli(['predict', name, '--input', JSON.stringify(rows[0])], { env: { PERENNIAL_GATEWAY_URL: gateway.url } });
    expect(shown.stdout).toMatch(/1\.0\.0 answers the row/);
    expect(shown.stdout).toMatch(/\b43\b/);
    const piped = await stack.cli(['predict', name, '--input', '-', '--json'], {
      env: { PERENNIAL_GATEWAY_URL: gateway.url },
      input: JSON.stringify(rows),
    });
    expect(JSON.parse(piped.stdout)).toMatchObject({ outputs: [{ data: [43, 11] }] });
  });
});
