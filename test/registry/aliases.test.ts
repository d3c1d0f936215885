import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { moveAlias } from '../../adapters/postgres/aliases.js';
import { inTransaction } from '../../adapters/postgres/database.js';
import { aliasHistory, championAt, parseModelUri, resolveUri } from '../../adapters/postgres/model-uri.js';
import { registryWorld } from './world.js';

const world = registryWorld();

const move = (input: { model: string; expected: string | null; to: string | null; promotionId: string }) =>
  inTransaction(world.db(), (trx) => moveAlias(trx, { alias: 'champion', by: 'ann', reason: 'test', ...input }));

async function modelWith(count: number): Promise<{ model: string; versions: string[] }> {
  const published = await world.publish();
  const versions: string[] = [];
  for (let index = 0; index < count; index += 1) versions.push(await world.register(published, `r-${index}`));
  return { model: published.model, versions };
}

test('of a hundred promotions at once one wins, and the others are told who holds it', async () => {
  const { model, versions } = await modelWith(4);
  await move({ model, expected: null, to: versions[0]!, promotionId: 'first' });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, (_, index) =>
      move({ model, expected: versions[0]!, to: versions[1 + (index % 3)]!, promotionId: `promotion-${index}` }),
    ),
  );
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ type: 'Conflict', details: { found: expect.any(String) } });
  expect(await aliasHistory(world.db(), model)).toHaveLength(2);
});

test('of a hundred first promotions at once one wins', async () => {
  const { model, versions } = await modelWith(2);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, (_, index) => move({ model, expected: null, to: versions[index % 2]!, promotionId: `promotion-${index}` })),
  );
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
});

test('a retry finds its own move; another one with the same target does not', async () => {
  const { model, versions } = await modelWith(2);
  const [old, fresh] = versions as [string, string];
  await move({ model, expected: null, to: old, promotionId: 'p-1' });
  expect(await move({ model, expected: old, to: fresh, promotionId: 'p-2' })).toEqual({ moved: true });
  expect(await move({ model, expected: old, to: fresh, promotionId: 'p-2' })).toEqual({ moved: false });
  await expect(move({ model, expected: old, to: fresh, promotionId: 'p-3' })).rejects.toMatchObject({ type: 'Conflict' });
  expect(await aliasHistory(world.db(), model)).toHaveLength(2);
});

test('who was live at any past moment is one query, and there are never two', async () => {
  const { model, versions } = await modelWith(3);
  let holder: string | null = null;
  for (let index = 0; index < 12; index += 1) {
    const to: string | null = index % 4 === 3 ? null : versions[index % 3]!;
    await move({ model, expected: holder, to, promotionId: `p-${index}` });
    holder = to;
    await sql`select pg_sleep(0.01)`.execute(world.db());
  }
  const history = await aliasHistory(world.db(), model);
  const rows = await world
    .db()
    .selectFrom('alias_history')
    .select(['valid_from', 'valid_to', 'version'])
    .where('model', '=', model)
    .orderBy('valid_from')
    .execute();
  for (const [index, row] of rows.entries()) {
    const next = rows[index + 1];
    if (next !== undefined) expect(row.valid_to!.getTime()).toBeLessThanOrEqual(next.valid_from.getTime());
  }
  expect(await championAt(world.db(), model, history.at(-1)!.fromMs - 1)).toBeNull();
  for (const period of history) {
    if (period.toMs !== null && period.toMs - period.fromMs < 3) continue;
    const at = period.fromMs + 1;
    expect(await championAt(world.db(), model, at)).toBe(period.version);
    expect(await resolveUri(world.db(), `models:/${model}@champion`, { atMs: at })).toEqual({ model, version: period.version });
  }
});

test('the history refuses two holders at one time and any change of the past', async () => {
  const { model, versions } = await modelWith(2);
  await move({ model, expected: null, to: versions[0]!, promotionId: 'p-1' });
  await move({ model, expected: versions[0]!, to: versions[1]!, promotionId: 'p-2' });
  const [closed] = await world
    .db()
    .selectFrom('alias_history')
    .selectAll()
    .where('model', '=', model)
    .where('valid_to', 'is not', null)
    .execute();
  const forged = {
    model,
    alias: 'champion' as const,
    version: versions[1]!,
    promotion_id: 'p',
    changed_by: 'eve',
    reason: 'x',
    valid_from: closed!.valid_from,
    valid_to: closed!.valid_to,
  };
  await expect(world.db().insertInto('alias_history').values(forged).execute()).rejects.toMatchObject({
    type: 'Conflict',
    message: expect.stringContaining('two versions at one time'),
  });
  await expect(
    world.db().updateTable('alias_history').set({ version: versions[1]! }).where('id', '=', closed!.id).execute(),
  ).rejects.toMatchObject({ type: 'Conflict' });
  await expect(world.db().deleteFrom('alias_history').where('id', '=', closed!.id).execute()).rejects.toMatchObject({ type: 'Conflict' });
});

test('URIs name a version by alias, number, latest and stage', async () => {
  const { model, versions } = await modelWith(2);
  await move({ model, expected: null, to: versions[0]!, promotionId: 'p-1' });
  const resolve = async (rest: string) => (await resolveUri(world.db(), `models:/${model}${rest}`)).version;
  expect(await resolve('@champion')).toBe('1.0.0');
  expect(await resolve('/1.0.1')).toBe('1.0.1');
  expect(await resolve('/latest')).toBe('1.0.1');
  await expect(resolve('/production')).rejects.toMatchObject({ type: 'Conflict' });
  await expect(resolve('@challenger')).rejects.toMatchObject({ type: 'Conflict' });
  await expect(resolve('/9.9.9')).rejects.toMatchObject({
    type: 'Conflict',
    message: expect.stringContaining(`./perennial versions ${model}`),
  });
  for (const wrong of ['models:/', `models:/${model}`, `models:/${model}@boss`, `models:/${model}/1.0`, `runs:/${model}/1.0.0`])
    expect(() => parseModelUri(wrong)).toThrow(/names no model/);
  await expect(resolveUri(world.db(), `models:/${model}/1.0.0`, { atMs: 0 })).rejects.toMatchObject({ type: 'DataInvalid' });
});
