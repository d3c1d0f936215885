import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { ensurePersonKey, type PersonKey } from '../../../adapters/keys/person-key.js';
import { openDatabase } from '../../../adapters/postgres/database.js';
import { publishDefinitions } from '../../../adapters/postgres/definitions.js';
import { migrate } from '../../../adapters/postgres/migrator.js';
import { keysOf, registerPerson } from '../../../adapters/postgres/people.js';
import type { ModelDefinition } from '../../../domain/model-definition.js';
import { reconcileFromRegistry } from '../../../schedules/reconcile.js';
import { connectTemporal } from '../../../tools/servers/temporal.mjs';
import { postgresRegistry } from '../../api/registry.js';
import type { World } from './world.js';

/**
 * What must be there before anything runs: the registry's schema, the catalogue's definitions, the local person as an
 * approver, and the schedules in Temporal. A person who was an approver once and was taken off the list stays off it.
 */
export async function prepareRegistry(
  world: World,
  { databaseUrl, temporalAddress, definitions }: { databaseUrl: string; temporalAddress: string; definitions: readonly ModelDefinition[] },
): Promise<{ person: PersonKey; lines: string[] }> {
  const lines: string[] = [];
  const database = await openDatabase({ url: databaseUrl, applicationName: 'perennial-up', poolSize: 2 });
  try {
    const { db } = database;
    const ran = await migrate(db);
    if (ran.length > 0) lines.push(`database schema: ${ran.join(', ')}`);
    const person = await ensurePersonKey(join(world.home, 'keys'));
    const known = (await keysOf(db, person.name)).some(({ keyId }) => keyId === person.keyId);
    if (!known) {
      await registerPerson(db, {
        name: person.name,
        publicKey: person.publicKeyPem,
        by: person.name,
        reason: 'the local person of this world',
        approver: true,
      });
      lines.push(`${person.name} is an approver (key in ${join(world.home, 'keys', 'people')})`);
    }
    const published = await publishDefinitions(db, { definitions, by: person.name, reason: 'perennial up' });
    for (const { model, previous, changed } of published) {
      if (changed) lines.push(`${model}: definition ${previous === null ? 'published' : 'changed and published'}`);
    }
    const connection = await connectTemporal(temporalAddress);
    try {
      const { schedule } = new Client({ connection, namespace: world.namespace });
      for (const { id, change } of await reconcileFromRegistry(schedule, postgresRegistry(db))) {
        if (change !== 'unchanged') lines.push(`${id}: ${change}`);
      }
    } finally {
      await connection.close();
    }
    return { person, lines };
  } finally {
    await database.close();
  }
}
