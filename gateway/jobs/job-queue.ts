import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { GatewayConfig } from '../gateway-config.js';
import { requestErrorOf } from '../http/reply.js';
import { RequestError } from '../http/request-error.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';
import { deliverFailure, deliverResults } from './job-delivery.js';
import type { JobDelivery, JobRecord, JobState } from './job-record.js';
import { hasEnded } from './job-record.js';
import type { RunnerDeps } from './job-runner.js';
import { runJob } from './job-runner.js';

export type QueueDeps = RunnerDeps & {
  readonly config: Pick<GatewayConfig, 'jobsAtOnce' | 'maxJobs' | 'jobLimitMs' | 'jobTtlMs' | 'drainLimitMs'>;
  readonly log: Log;
};

/** A job that somebody asks for. The input is `body`, or the object or file at `source`. */
export type Submission = Pick<JobRecord, 'model' | 'version' | 'input' | 'source' | 'submitted'> & {
  /** The caller's own; the same one again is the same job. Null for one of ours. */
  readonly id: string | null;
  readonly body: Uint8Array | null;
  readonly delivery: JobDelivery | null;
};

/** Why a job at work is ended from outside. */
type Ending = 'cancelled' | 'stopping' | 'tooLong';
type AtWork = { readonly end: AbortController; ending: Ending | null; readonly done: Promise<void> };

const sweepEveryMs = 60_000;

/** The long jobs of this gateway: kept in its folder, a few at work at once, the others waiting in their order. */
export class JobQueue {
  readonly #deps: QueueDeps;
  readonly #jobs = new Map<string, JobRecord>();
  readonly #atWork = new Map<string, AtWork>();
  /** Jobs on their way into the folder, or out of it. Never rejected. */
  readonly #moving = new Map<string, Promise<void>>();
  #sweeping: NodeJS.Timeout | undefined;
  #open = false;

  constructor(deps: QueueDeps) {
    this.#deps = deps;
  }

  /** Jobs by state, for the metrics. */
  count(state: JobState): number {
    let count = 0;
    for (const job of this.#jobs.values()) if (job.state === state) count++;
    return count;
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** Takes up what was there before: unfinished jobs go on where they were. */
  async open(): Promise<void> {
    for (const record of await this.#deps.folder.list())
      this.#jobs.set(record.id, record.state === 'running' ? { ...record, state: 'queued' } : record);
    this.#open = true;
    this.#sweeping = setInterval(() => void this.sweep(Date.now()), sweepEveryMs);
    this.#sweeping.unref();
    await this.sweep(Date.now());
    this.#begin();
  }

  /** Lets go of the jobs at work; the next start goes on with them. */
  async close(): Promise<void> {
    this.#open = false;
    clearInterval(this.#sweeping);
    for (const job of this.#atWork.values()) end(job, 'stopping');
    const limit = new AbortController();
    // What takes longer (the place of the results does not answer, say) the next start does again.
    const late = delay(this.#deps.config.drainLimitMs, undefined, { signal: limit.signal }).catch(() => undefined);
    await Promise.race([late, Promise.all([...this.#atWork.values()].map(({ done }) => done))]);
    limit.abort();
  }

  /** Takes a job. Throws `conflict` for another one under a known id, `overloaded` when there are too many. */
  async submit(submission: Submission): Promise<{ job: JobRecord; isNew: boolean }> {
    const id = submission.id ?? randomUUID();
    while (this.#moving.has(id)) await this.#moving.get(id);
    const known = this.#jobs.get(id);
    if (known !== undefined) {
      const isSame = known.submitted === submission.submitted && known.model === submission.model && known.version === submission.version;
      if (!isSame) throw new RequestError('conflict', `there is another job ${id}: choose another id, or delete that one first`);
      return { job: known, isNew: false };
    }
    if (this.#jobs.size >= this.#deps.config.maxJobs)
      throw new RequestError(
        'overloaded',
        `there are ${this.#jobs.size} jobs: delete those whose results were fetched, or try again later`,
      );
    const { body, ...rest } = submission;
    const job: JobRecord = {
      format: 1,
      ...rest,
      id,
      state: 'queued',
      reason: null,
      rows: null,
      done: 0,
      failed: 0,
      outputs: [],
      submittedMs: Date.now(),
      startedMs: null,
      endedMs: null,
    };
    this.#jobs.set(id, job);
    await this.#move(id, () =>
      this.#deps.folder.create(job, body).catch((error: unknown) => {
        this.#jobs.delete(id);
        throw error;
      }),
    );
    this.#begin();
    return { job, isNew: true };
  }

  find(id: string): JobRecord | undefined {
    return this.#jobs.get(id);
  }

  /** The job, or a `notFound` that says so. */
  need(id: string): JobRecord {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new RequestError('notFound', `there is no job ${id}: it may have expired or been deleted`);
    return job;
  }

  /** The results of an ended job, one line a row. Throws `conflict` while it is not done. */
  results(id: string): AsyncGenerator<Buffer, void> {
    const job = this.need(id);
    if (!hasEnded(job)) throw new RequestError('conflict', `job ${id} is ${job.state}: its results are there when it has ended`, 1_000);
    return this.#deps.folder.results(id);
  }

  /** Ends a job that is not done; removes one that is, with its results. Answers it as it was left. */
  async remove(id: string): Promise<JobRecord> {
    while (this.#moving.has(id)) await this.#moving.get(id);
    const job = this.need(id);
    if (hasEnded(job)) {
      this.#jobs.delete(id);
      await this.#move(id, () => this.#deps.folder.remove(id));
      return job;
    }
    const working = this.#atWork.get(id);
    if (working === undefined) await this.#end(job, 'cancelled', null);
    else {
      end(working, 'cancelled');
      await working.done;
    }
    return this.need(id);
  }

  /** Removes ended jobs whose time is over. Never rejects. */
  async sweep(nowMs: number): Promise<void> {
    for (const job of this.#jobs.values()) {
      if (job.endedMs === null || job.endedMs + this.#deps.config.jobTtlMs > nowMs) continue;
      this.#jobs.delete(job.id);
      // The next start finds it again.
      await this.#move(job.id, () => this.#deps.folder.remove(job.id)).catch((error: unknown) =>
        this.#deps.log({ level: 'warn', event: 'jobNotRemoved', job: job.id, reason: reasonOf(error) }),
      );
    }
  }

  /** Changes a job's folder as a whole, while nobody else does. */
  async #move(id: string, work: () => Promise<void>): Promise<void> {
    const moving = work();
    this.#moving.set(
      id,
      moving.catch(() => undefined),
    );
    try {
      await moving;
    } finally {
      this.#moving.delete(id);
    }
  }

  #begin(): void {
    for (const job of this.#jobs.values()) {
      if (!this.#open || this.#atWork.size >= this.#deps.config.jobsAtOnce) return;
      if (job.state !== 'queued' || this.#atWork.has(job.id) || this.#moving.has(job.id)) continue;
      const stop = new AbortController();
      const working: AtWork = {
        end: stop,
        ending: null,
        done: this.#work(job, stop.signal).finally(() => {
          this.#atWork.delete(job.id);
          this.#begin();
        }),
      };
      this.#atWork.set(job.id, working);
    }
  }

  /** Never rejects. */
  async #work(queued: JobRecord, ended: AbortSignal): Promise<void> {
    const { folder, config, log } = this.#deps;
    let job: JobRecord = { ...queued, state: 'running', startedMs: queued.startedMs ?? Date.now() };
    const progress = (now: JobRecord): void => {
      job = now;
      this.#jobs.set(job.id, job);
    };
    progress(job);
    const limitMs = job.delivery?.limitMs ?? config.jobLimitMs;
    const limit = setTimeout(
      () => {
        const working = this.#atWork.get(job.id);
        if (working !== undefined) end(working, 'tooLong');
      },
      Math.max(0, Math.min(job.startedMs! + limitMs - Date.now(), 2 ** 31 - 1)),
    );
    try {
      if (job.delivery !== null && queued.startedMs === null && Date.now() > job.delivery.beginByMs)
        throw new RequestError('expired', 'it waited longer than its RequestTTLSeconds');
      await folder.save(job);
      progress(await runJob(this.#deps, job, { ended, progress }));
      if (job.delivery !== null) await deliverResults(this.#deps, job);
      await this.#end(job, 'succeeded', null);
    } catch (error) {
      const ending = this.#atWork.get(job.id)?.ending ?? null;
      if (ending === 'stopping') return;
      if (ending === 'cancelled') return await this.#end(job, 'cancelled', null).catch(() => undefined);
      const told = ending === 'tooLong' ? new RequestError('expired', `it took longer than ${limitMs} ms`) : requestErrorOf(error);
      if (told.kind === 'internal')
        log({ level: 'error', event: 'jobFailed', job: job.id, reason: error instanceof Error ? error.stack : String(error) });
      if (job.delivery !== null)
        await deliverFailure(this.#deps, job, told).catch((reason: unknown) =>
          log({ level: 'error', event: 'jobFailureNotDelivered', job: job.id, reason: reasonOf(reason) }),
        );
      await this.#end(job, 'failed', told.message).catch(() => undefined);
    } finally {
      clearTimeout(limit);
    }
  }

  async #end(job: JobRecord, state: 'succeeded' | 'failed' | 'cancelled', reason: string | null): Promise<void> {
    const { folder, log } = this.#deps;
    const ended: JobRecord = { ...job, state, reason, endedMs: Date.now() };
    this.#jobs.set(job.id, ended);
    log({ level: 'info', event: 'jobEnded', job: job.id, model: job.model, state, rows: ended.done, failedRows: ended.failed, reason });
    try {
      await folder.save(ended);
      await folder.dropInput(job.id);
    } catch (error) {
      // The results stand; after a restart the job would be done once more.
      log({ level: 'error', event: 'jobNotSaved', job: job.id, reason: reasonOf(error) });
    }
  }
}

function end(job: AtWork, ending: Ending): void {
  job.ending ??= ending;
  job.end.abort();
}
