import type { Endpoint } from '../http/endpoint.js';
import type { Reply } from '../http/reply.js';
import { errorReply } from '../http/reply.js';
import type { RequestError } from '../http/request-error.js';
import type { GatewayRequest } from '../http/whole-request.js';
import { joinExpositions, joinStatistics } from './joined-figures.js';
import { answerOfAll, answerOfOne, reachOf, type SiblingCall, type Siblings } from './siblings.js';

export type Together = {
  readonly siblings: Siblings;
  readonly endpoint: Endpoint;
  readonly request: GatewayRequest;
  readonly readBody: (request: GatewayRequest) => Buffer | Promise<Buffer>;
  /** What this process alone answers. */
  readonly own: (body: string) => Promise<Reply>;
  /** An error as the caller gets it; one that nobody expected is logged. */
  readonly tell: (error: unknown, path: string) => RequestError;
};

/** Answers a request that concerns all processes of the gateway. */
export async function answerTogether({ siblings, endpoint, request, readBody, own, tell }: Together): Promise<Reply> {
  const body = (await readBody(request)).toString('utf8');
  const call: SiblingCall = { method: request.method ?? 'GET', path: request.url ?? '/', body };
  const reach = reachOf(endpoint);
  if (reach === 'whoKnows') {
    const ours = await own(body).catch((error: unknown) => errorReply(tell(error, call.path)));
    return ours.status === 404 ? answerOfOne(ours, await siblings.ask(call)) : ours;
  }
  const [ours, others] = await Promise.all([own(body), siblings.ask(call)]);
  if (reach === 'everywhere') return answerOfAll(ours, others);
  if (endpoint.kind !== 'metrics') return joinStatistics(ours, others);
  const texts = others.map(({ index, body: text }) => ({ index, text }));
  return { ...ours, body: joinExpositions({ index: siblings.index, text: String(ours.body) }, texts) };
}
