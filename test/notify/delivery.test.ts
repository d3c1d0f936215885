import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sql } from 'kysely';
import { afterEach, expect, test } from 'vitest';
import { deliverOutbox, followOutbox, retryInMs } from '../../activities/notify.activities.js';
import type { Notice, Notifier } from '../../activities/ports.js';
import { createFanOut } from '../../adapters/notify/fan-out.js';
import { createLogNotifier } from '../../adapters/notify/log.js';
import { createSlackNotifier } from '../../adapters/notify/slack.js';
import { inTransaction } from '../../adapters/postgres/database.js';
import { createOutboxStore } from '../../adapters/postgres/outbox-store.js';
import { enqueueNotice } from '../../adapters/postgres/outbox.js';
import { PerennialError } from '../../domain/errors.js';
import { registryWorld } from '../registry/world.js';

const world = registryWorld();
const outbox = () => createOutboxStore(world.db());
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const notice = (model: string, key: string): Notice => ({
  key: `${model}:${key}`,
  kind: 'promoted',
  model,
  title: `${model} ${key} is live`,
  text: 'MAPE <13.2%> & falling ```',
});
const enqueue = (entry: Notice) => inTransaction(world.db(), (trx) => enqueueNotice(trx, entry));
/** Lets every message of a model be due now, as time would. */
const due = (model: string) =>
  world
    .db()
    .updateTable('outbox')
    .set({ next_try_at: new Date(0) })
    .where('model', '=', model)
    .where('delivered_at', 'is', null)
    .execute();

/** A webhook that answers as told and keeps what it was sent. */
async function webhook(answers: number[]): Promise<{ url: string; received: { text: string; blocks: unknown }[] }> {
  const received: { text: string; blocks: unknown }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const status = answers.shift() ?? 200;
      if (status === 200) received.push(JSON.parse(body) as { text: string; blocks: unknown });
      response
        .writeHead(status, status === 429 ? { 'retry-after': '7' } : status === 302 ? { location: 'http://127.0.0.1:1/' } : {})
        .end(status === 200 ? 'ok' : 'no_service');
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/services/T000/SECRET`, received };
}

test('a message is tried until Slack takes it, after growing waits, and never lost', async () => {
  const model = 'retried';
  const { url, received } = await webhook([500, 429, 404]);
  const dependencies = { outbox: outbox(), notifier: createSlackNotifier({ webhookUrl: url }) };
  await enqueue(notice(model, '1'));
  for (const words of ['500', '429', '404']) {
    expect(await deliverOutbox(dependencies, { model })).toEqual({ delivered: 0, left: 1 });
    const row = await world
      .db()
      .selectFrom('outbox')
      .select(['last_error', 'attempts', sql<boolean>`next_try_at > clock_timestamp()`.as('waits')])
      .where('model', '=', model)
      .executeTakeFirstOrThrow();
    expect(row.last_error).toContain(words);
    expect(row.last_error).not.toContain('SECRET');
    expect(await deliverOutbox(dependencies, { model })).toEqual({ delivered: 0, left: 1 });
    await due(model);
  }
  expect(await deliverOutbox(dependencies, { model })).toEqual({ delivered: 1, left: 0 });
  expect(await deliverOutbox(dependencies, { model })).toEqual({ delivered: 0, left: 0 });
  expect(received).toHaveLength(1);
  expect(received[0]!.text).toBe('retried 1 is live');
  expect(JSON.stringify(received[0]!.blocks)).toContain('MAPE &lt;13.2%&gt; &amp; falling');
});

test('a redirect is not followed, and nobody at the address is Unavailable without the secret', async () => {
  const { url } = await webhook([302]);
  await expect(createSlackNotifier({ webhookUrl: url }).send(notice('m', '1'))).rejects.toMatchObject({ type: 'Unavailable' });
  const failure = await createSlackNotifier({ webhookUrl: 'http://127.0.0.1:1/services/SECRET' })
    .send(notice('m', '1'))
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(PerennialError);
  expect(String(failure)).not.toContain('SECRET');
  expect(() => createSlackNotifier({ webhookUrl: 'hooks' })).toThrow(/PERENNIAL_SLACK_WEBHOOK/);
});

test('waits double from a second to an hour, and are as long as the receiver asks', () => {
  const waits = [1, 2, 3, 12, 13, 1_000].map((attempts) => retryInMs(attempts, new Error('x')));
  expect(waits).toEqual([1_000, 2_000, 4_000, 2_048_000, 3_600_000, 3_600_000]);
  expect(retryInMs(1, new PerennialError('Unavailable', 'busy', { details: { retryAfterMs: 7_000 } }))).toBe(7_000);
});

test('several senders at once send each message once', async () => {
  const model = 'shared';
  for (let index = 0; index < 30; index += 1) await enqueue(notice(model, `${index}`));
  expect(await enqueue(notice(model, '0'))).toBe(false);
  const sent: string[] = [];
  const notifier: Notifier = createLogNotifier((line) => sent.push(line.split('\n')[0]!));
  const results = await Promise.all(Array.from({ length: 4 }, () => deliverOutbox({ outbox: outbox(), notifier }, { model })));
  expect(results.reduce((sum, { delivered }) => sum + delivered, 0)).toBe(30);
  expect(new Set(sent).size).toBe(30);
  expect(sent).toHaveLength(30);
});

test('what a dead process had taken comes back when its lease ends', async () => {
  const model = 'leased';
  await enqueue(notice(model, '1'));
  expect(await outbox().claim({ limit: 5, leaseMs: 60_000, model })).toHaveLength(1);
  expect(await outbox().claim({ limit: 5, leaseMs: 60_000, model })).toHaveLength(0);
  await due(model);
  expect(await outbox().claim({ limit: 5, leaseMs: 60_000, model })).toMatchObject([{ attempts: 2 }]);
});

test('a message exists if and only if its act was committed', async () => {
  const lost = notice('rolled-back', '1');
  await expect(
    inTransaction(world.db(), async (trx) => {
      await enqueueNotice(trx, lost);
      throw new Error('the act failed');
    }),
  ).rejects.toThrow('the act failed');
  expect(await outbox().left('rolled-back')).toBe(0);
});

test('one receiver that fails makes the message come again to all', async () => {
  const seen: string[] = [];
  const failing: Notifier = { name: 'failing', send: () => Promise.reject(new Error('away')) };
  const both = createFanOut([createLogNotifier((line) => seen.push(line)), failing]);
  await expect(both.send(notice('m', '1'))).rejects.toThrow('away');
  expect(seen).toHaveLength(1);
  await createFanOut([createLogNotifier((line) => seen.push(line))]).send(notice('m', '1'));
  expect(seen).toHaveLength(2);
});

test('delivery goes on by itself until it is stopped, also after trouble', async () => {
  const model = 'followed';
  const sent: string[] = [];
  const troubles: unknown[] = [];
  let away = true;
  const real = outbox();
  const flaky = {
    ...real,
    claim: (input: Parameters<typeof real.claim>[0]) =>
      away ? Promise.reject(new Error('Postgres is away')) : real.claim({ ...input, model }),
  };
  const following = followOutbox(
    { outbox: flaky, notifier: createLogNotifier((line) => sent.push(line)) },
    { intervalMs: 5, onTrouble: (error) => troubles.push(error) },
  );
  await expect.poll(() => troubles.length, { timeout: 60_000 }).toBeGreaterThan(0);
  away = false;
  await enqueue(notice(model, '1'));
  await expect.poll(() => sent.length, { timeout: 60_000 }).toBe(1);
  await following.stop();
  await enqueue(notice(model, '2'));
  expect(sent).toHaveLength(1);
});
