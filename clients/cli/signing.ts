import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { signDecision } from '../../adapters/keys/decision-signature.js';
import { ensurePersonKey } from '../../adapters/keys/person-key.js';
import type { Decision } from '../../domain/approval.js';
import type { CliContext } from './context.js';

/**
 * The decision with this machine's signature of the person who decides. Without a key of that person here it goes
 * unsigned: it is recorded as claimed then, and never counts for a high-risk model. No key is made for somebody else.
 */
export async function signed(
  { places: { keysFolder } }: Pick<CliContext, 'places'>,
  { model, decision }: { model: string; decision: Decision },
): Promise<Decision> {
  if (!existsSync(join(keysFolder, 'people', `${decision.by}.pem`))) return decision;
  const key = await ensurePersonKey(keysFolder, decision.by);
  return { ...decision, ...signDecision({ model, ...decision }, key) };
}
