import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/json.js';

/** What a training job is: the same identity and attempt is the same job, on any worker. */
export type JobIdentity = {
  readonly model: string;
  readonly run: string;
  /** `train`, `refit`, `trial-007`. */
  readonly purpose: string;
  /** Everything that decides the job's result; a run that was reset and asks for something else gets another job. */
  readonly inputs: unknown;
};

const limit = 63;

/**
 * Deterministic name of all attempts of a job together (its checkpoint's key): `[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}` as
 * SageMaker wants it, with room for the attempt. What does not fit is cut; the digest keeps names apart.
 */
export function jobKey(identity: JobIdentity): string {
  const digest = createHash('sha256').update(canonicalJson(identity)).digest('hex').slice(0, 10);
  const purpose = plain(identity.purpose).slice(0, 16);
  const readable = `${plain(identity.model).slice(0, 18)}-${plain(identity.run)}`.slice(
    0,
    limit - purpose.length - digest.length - 2 - '-a99'.length,
  );
  return plain(`${readable}-${purpose}-${digest}`);
}

/** Name of one attempt, counted from 1. */
export function jobName(identity: JobIdentity & { readonly attempt: number }): string {
  const { attempt, ...job } = identity;
  return `${jobKey(job)}-a${attempt}`;
}

function plain(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '') || 'x';
}
