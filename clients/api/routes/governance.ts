import { createRoute, z } from '@hono/zod-openapi';
import type { PolicyChange } from '../../../domain/policy-rules.js';
import { answers, type Api, type ApiDeps, body, found, ok, requireModel } from '../api-deps.js';
import { plainRoutes } from '../plain-routes.js';
import {
  auditRow,
  auditVerdict,
  investigation,
  limit,
  moment,
  outboxMessage,
  person,
  policy,
  policyChange,
  policyVersion,
  registered,
  registration,
  signedChange,
} from '../schemas.js';

/** Policy, people, audit, messages and investigations. */
export function governanceRoutes(api: Api, deps: ApiDeps): void {
  const { registry } = deps;
  const tags = ['Governance'];
  const { read } = plainRoutes(api, deps, tags);

  read({ path: '/api/policy', summary: 'The policy in force', responses: answers('Policy', policy) }, () => registry.policy());

  api.openapi(
    createRoute({
      method: 'patch',
      path: '/api/policy',
      tags,
      summary: 'Make the next version of the policy',
      request: body(policyChange),
      responses: answers('Policy', policy),
    }),
    async (c) => {
      const { change, by, reason, ticket } = c.req.valid('json');
      return ok(c, await registry.changePolicy(change as PolicyChange, { by, reason, ...(ticket === undefined ? {} : { ticket }) }));
    },
  );

  read(
    {
      path: '/api/policy/history',
      summary: 'Every version of the policy, oldest first',
      responses: answers('Versions', z.array(policyVersion)),
    },
    () => registry.policyHistory(),
  );

  read({ path: '/api/people', summary: 'Everybody with a registered key', responses: answers('People', z.array(person)) }, () =>
    registry.people(),
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/people',
      tags,
      summary: "Register a person's public key, and name the person as an approver",
      request: body(registration),
      responses: answers('The key', registered),
    }),
    async (c) => {
      const { approver, ...person } = c.req.valid('json');
      return ok(c, await registry.register({ ...person, approver: approver ?? false }));
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/audit',
      tags,
      summary: 'Entries of the audit, newest first',
      request: {
        query: z.object({
          model: z.string().optional(),
          version: z.string().optional(),
          action: z.string().optional(),
          by: z.string().optional(),
          outcome: z.enum(['done', 'refused', 'failed']).optional(),
          ticket: z.string().optional(),
          from: moment.optional(),
          to: moment.optional(),
          before: z.coerce.number().int().optional().openapi({ description: 'Entries before this sequence number, for the next page' }),
          limit,
        }),
      },
      responses: answers('Entries', z.array(auditRow)),
    }),
    async (c) => {
      const { from, to, ...rest } = c.req.valid('query');
      const filter = { ...rest, fromMs: from, toMs: to };
      const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
      return ok(c, await registry.audit(given));
    },
  );

  read(
    { path: '/api/audit/verify', summary: 'Check the chain of hashes', responses: answers('Whole, or where it breaks', auditVerdict) },
    () => registry.verifyAudit(),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/outbox',
      tags,
      summary: 'Messages to people, newest first',
      request: { query: z.object({ model: z.string().optional(), waiting: z.enum(['true', 'false']).optional(), limit }) },
      responses: answers('Messages', z.array(outboxMessage)),
    }),
    async (c) => {
      const { model, waiting, limit: most } = c.req.valid('query');
      return ok(
        c,
        await registry.outbox({
          waiting: waiting === 'true',
          ...(model === undefined ? {} : { model }),
          ...(most === undefined ? {} : { limit: most }),
        }),
      );
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/investigations',
      tags,
      summary: 'Investigations that are open, oldest first',
      request: { query: z.object({ model: z.string().optional(), version: z.string().optional() }) },
      responses: answers('Investigations', z.array(investigation)),
    }),
    async (c) => {
      const { model, version } = c.req.valid('query');
      if (model !== undefined) await requireModel(deps, model);
      return ok(
        c,
        await registry.investigations({ ...(model === undefined ? {} : { model }), ...(version === undefined ? {} : { version }) }),
      );
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/investigations/{id}/close',
      tags,
      summary: 'Close an investigation with what was found, so that the version may be rolled out again',
      request: {
        params: z.object({ id: z.string().openapi({ param: { name: 'id', in: 'path' }, example: 'demand-forecast:1.0.1:1' }) }),
        ...body(signedChange),
      },
      responses: answers('The investigation', investigation),
    }),
    async (c) => {
      const { id } = c.req.valid('param');
      const { by, reason } = c.req.valid('json');
      return ok(c, await found(() => registry.closeInvestigation({ id, by, reason })));
    },
  );
}
