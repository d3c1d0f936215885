/** How a job's input holds its rows. */
export type JobInput =
  /** One request of the Open Inference Protocol with many rows, or `{"instances":[…]}`. */
  { readonly kind: 'json' } | { readonly kind: 'jsonLines' } | { readonly kind: 'csv' };

/** Where a job stands. It ends in one of the last three, and stays there. */
export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** An output as the job's first answer had it; the sizes after the rows. */
export type JobOutput = { readonly name: string; readonly datatype: string; readonly inner: readonly number[] };

/** What becomes of the results of an asynchronous invocation. */
export type JobDelivery = {
  readonly format: 'oip' | 'instances' | 'csv' | 'jsonLines';
  /** Names below the place of asynchronous invocations. */
  readonly output: string;
  readonly failure: string;
  /** By when the job must have begun, and how long it may take; milliseconds. */
  readonly beginByMs: number;
  readonly limitMs: number;
};

/** A job as it is kept. Times are epoch milliseconds. */
export type JobRecord = {
  readonly format: 1;
  readonly id: string;
  readonly model: string;
  readonly version: string | null;
  readonly input: JobInput;
  /** SHA-256 of what was submitted: the same id with another one is another job. */
  readonly submitted: string;
  /** Object that is fetched when the job begins; null when the input came with the call. */
  readonly source: string | null;
  readonly delivery: JobDelivery | null;
  readonly state: JobState;
  /** Why it failed. */
  readonly reason: string | null;
  /** Rows of the input; null until they were counted. */
  readonly rows: number | null;
  readonly done: number;
  /** Rows that were answered by an error, among `done`. */
  readonly failed: number;
  readonly outputs: readonly JobOutput[];
  readonly submittedMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
};

/** Whether nothing will change any more. */
export function hasEnded({ state }: Pick<JobRecord, 'state'>): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}
