import type { Endpoint } from '../http/endpoint.js';
import type { Reply } from '../http/reply.js';

/** A request that one process of a gateway makes to the others that serve the same port. Its caller has been checked. */
export type SiblingCall = { readonly method: string; readonly path: string; readonly body: string };
/** What a process answers. */
export type OwnAnswer = { readonly status: number; readonly contentType: string; readonly body: string };
/** The same, with the number of the process. */
export type SiblingAnswer = OwnAnswer & { readonly index: number };

/** The other processes of this gateway. */
export type Siblings = {
  /** Number of this process, from 0. */
  readonly index: number;
  /** Whether others serve already: then this one listens when its models are loaded, and not before. */
  readonly serving: boolean;
  /** What each of the others answers; one that ends or says nothing in time is left out. */
  ask(call: SiblingCall): Promise<readonly SiblingAnswer[]>;
};

/** How a request is answered where several processes share the port; `alone` by the one that it came to. */
export type Reach = 'alone' | 'everywhere' | 'whoKnows' | 'together';

const reaches: ReadonlyMap<Endpoint['kind'], Reach> = new Map([
  ['flush', 'everywhere'],
  ['repositoryLoad', 'everywhere'],
  ['repositoryUnload', 'everywhere'],
  ['changeLogSettings', 'everywhere'],
  ['changeTraceSettings', 'everywhere'],
  ['job', 'whoKnows'],
  ['jobResult', 'whoKnows'],
  ['deleteJob', 'whoKnows'],
  ['metrics', 'together'],
  ['statistics', 'together'],
  ['allStatistics', 'together'],
] as const);

/** What concerns all processes: changes are made in each, figures are those of all, and a job is with the one that took it. */
export function reachOf({ kind }: Endpoint): Reach {
  return reaches.get(kind) ?? 'alone';
}

/** The answer of a change that was made everywhere: ours, or the first that says it could not be made. */
export function answerOfAll(own: Reply, others: readonly SiblingAnswer[]): Reply {
  return own.status >= 400 ? own : (others.find(({ status }) => status >= 400) ?? own);
}

/** The answer of the process that knows the thing; ours when none does. */
export function answerOfOne(own: Reply, others: readonly SiblingAnswer[]): Reply {
  return own.status !== 404 ? own : (others.find(({ status }) => status !== 404) ?? own);
}
