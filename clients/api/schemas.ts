import { z } from '@hono/zod-openapi';
import { readMoment } from './moment.js';

/** Shapes of requests and answers, as the OpenAPI document shows them. */

const text = z.string().trim().min(1).max(2_000);

export const modelParam = z.object({ model: z.string().openapi({ param: { name: 'model', in: 'path' }, example: 'demand-forecast' }) });
export const runParam = modelParam.extend({ run: z.string().openapi({ param: { name: 'run', in: 'path' }, example: '20111101T0200Z-2' }) });
export const versionParam = modelParam.extend({
  version: z.string().openapi({ param: { name: 'version', in: 'path' }, example: '1.0.1' }),
});

export const limit = z.coerce.number().int().min(1).max(1_000).optional().openapi({ description: 'Most rows that are answered' });
/** A moment: ISO 8601 (UTC when it names no zone) or epoch milliseconds; answered as epoch milliseconds. */
export const moment = z
  .string()
  .transform((value, context) => {
    const timeMs = readMoment(value);
    if (timeMs !== null) return timeMs;
    context.addIssue({ code: 'custom', message: 'a time such as 2011-11-01, 2011-11-01T02:00Z or epoch milliseconds is expected' });
    return z.NEVER;
  })
  .openapi({ type: 'string', description: 'ISO 8601 (UTC when it names no zone) or epoch milliseconds', example: '2011-11-01T02:00Z' });

const by = text.max(200).openapi({ description: 'Who asks; recorded as claimed unless it is signed', example: 'ann' });
const reason = text.openapi({ description: 'Why; it goes into the audit' });
const requestId = z
  .string()
  .min(1)
  .max(200)
  .optional()
  .openapi({ description: 'The same id again answers the same and does nothing twice' });

export const objectRef = z
  .strictObject({
    digest: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 hexadecimal digits are expected')
      .openapi({ description: 'SHA-256 of the bytes', example: `sha256:${'0'.repeat(64)}` }),
    bytes: z
      .int()
      .min(1)
      .max(2 * 1024 ** 3),
    mediaType: z.string().min(1).max(100),
  })
  .openapi('ObjectRef');
const importedModel = z
  .strictObject({
    onnx: objectRef.openapi({ description: 'The ONNX file, as POST /api/objects answered it' }),
    framework: text.max(200).exactOptional().openapi({ description: 'What made it', example: 'xgboost 3.1.2' }),
    example: objectRef.exactOptional().openapi({ description: 'A request that the file answers, as Open Inference Protocol JSON' }),
    expected: objectRef.exactOptional().openapi({ description: 'What the native model answered to the example' }),
    tolerance: z
      .number()
      .min(0)
      .max(1)
      .exactOptional()
      .openapi({ description: 'How far an answer may be from the expected one: relative to it, absolute below 1; default 1e-4' }),
    trainedToMs: z.int().exactOptional().openapi({ description: 'Event time before which the model saw rows, epoch milliseconds' }),
  })
  .refine(({ example, expected }) => expected === undefined || example !== undefined, {
    path: ['example'],
    message: 'the request to which "expected" is the answer is expected too',
  })
  .refine(({ expected, tolerance }) => tolerance === undefined || expected !== undefined, {
    path: ['expected'],
    message: 'an answer that "tolerance" is about is expected too',
  })
  .openapi('ImportedModel');

export const command = z.strictObject({ by, reason, requestId }).openapi('Command');
export const signedChange = z.strictObject({ by, reason });
export const retrain = z
  .strictObject({
    by,
    reason,
    requestId,
    asOf: z.union([z.int(), moment]).optional().openapi({ description: "Model time that the run sees; the model's clock when absent" }),
    trigger: z.enum(['manual', 'rehearsal', 'drift']).optional(),
    useCache: z.boolean().optional().openapi({ description: 'Whether unchanged steps are reused; default true' }),
    imported: importedModel
      .optional()
      .openapi({ description: 'For a model whose versions are imported: the file that becomes the next one' }),
  })
  .openapi('Retrain');
export const decision = z
  .strictObject({
    version: z.string().min(1),
    decision: z.enum(['approve', 'reject']),
    by,
    reason,
    ticket: z.string().optional(),
    evidenceDigest: z.string().optional().openapi({ description: 'Digest of the evidence that the decider saw' }),
    keyId: z.string().optional(),
    signature: z
      .string()
      .optional()
      .openapi({ description: 'Base64 Ed25519 over the canonical JSON of model, version, decision, by, reason, evidenceDigest' }),
  })
  .openapi('Decision');
export const promote = z.strictObject({ version: z.string().min(1), by, reason, requestId }).openapi('Promote');
export const policyChange = z
  .strictObject({ change: z.record(z.string(), z.unknown()), by, reason, ticket: z.string().optional() })
  .openapi('PolicyChange');
export const publication = z.strictObject({ definitions: z.array(z.unknown()).min(1).max(200), by, reason }).openapi('Publish');
export const clockChange = z
  .strictObject({
    nowMs: z.int().openapi({ description: 'Where the clock stands then, epoch milliseconds' }),
    fromMs: z.int().optional().openapi({ description: 'Move only when it stands exactly here' }),
  })
  .openapi('ClockChange');

export const commandAnswer = z
  .union([z.object({ accepted: z.literal(true), message: z.string() }), z.object({ accepted: z.literal(false), reason: z.string() })])
  .openapi('CommandAnswer');
const started = { run: z.string(), workflowId: z.string() };
export const retrainAnswer = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('started'), ...started }),
    z.object({ kind: z.literal('queued'), ...started, behind: z.string() }),
    z.object({ kind: z.literal('duplicate'), ...started }),
    z.object({ kind: z.literal('refused'), reason: z.string() }),
  ])
  .openapi('RetrainAnswer');
const identity = z.enum(['signed', 'claimed']);
export const decideAnswer = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('counted'), version: z.string(), missing: z.array(z.string()), identity }),
    z.object({ kind: z.literal('settled'), version: z.string(), status: z.enum(['approved', 'rejected']), identity }),
    z.object({ kind: z.literal('refused'), reason: z.string() }),
  ])
  .openapi('DecideAnswer');

const time = z.number().openapi({ description: 'Epoch milliseconds' });
export const modelSummary = z
  .looseObject({ model: z.string(), description: z.string(), owner: z.string(), risk: z.string(), definitionDigest: z.string() })
  .openapi('ModelSummary');
export const modelDetails = z.looseObject({ model: z.string(), digest: z.string(), definition: z.looseObject({}) }).openapi('Model');
export const clock = z
  .object({
    clock: z.union([z.object({ kind: z.literal('live') }), z.object({ kind: z.literal('driven'), name: z.string() })]),
    nowMs: time,
  })
  .openapi('Clock');
export const modelStatus = z
  .looseObject({
    model: z.string(),
    aliases: z.record(z.string(), z.string()),
    nowMs: time,
    lifecycle: z.looseObject({}).nullable(),
    answeredBy: z.enum(['answers', 'notStarted', 'noAnswer']),
  })
  .openapi('ModelStatus');
export const runSummary = z
  .looseObject({ model: z.string(), run: z.string(), asOfMs: time, version: z.string().nullable(), outcome: z.string().nullable() })
  .openapi('RunSummary');
export const runDetails = runSummary
  .extend({ steps: z.array(z.looseObject({})), trials: z.array(z.looseObject({})), result: z.looseObject({}).nullable() })
  .openapi('Run');
export const metricPoint = z
  .object({ name: z.string(), step: z.number(), value: z.number().nullable(), atMs: time })
  .openapi('MetricPoint');
export const versionSummary = z
  .looseObject({ model: z.string(), version: z.string(), run: z.string(), stage: z.string(), approval: z.string(), risk: z.string() })
  .openapi('VersionSummary');
export const versionDetails = versionSummary.extend({ gates: z.array(z.looseObject({})), card: z.string() }).openapi('Version');
export const aliasPeriod = z
  .looseObject({ alias: z.string(), version: z.string(), fromMs: time, toMs: time.nullable() })
  .openapi('AliasPeriod');
export const resolved = z.object({ model: z.string(), version: z.string() }).openapi('ResolvedUri');
export const liveAt = z.object({ model: z.string(), atMs: time, version: z.string().nullable() }).openapi('LiveAt');
export const rolloutAnswer = z
  .object({ rollout: z.looseObject({ promotionId: z.string(), status: z.string() }).nullable(), live: z.looseObject({}).nullable() })
  .openapi('Rollout');
export const investigation = z
  .looseObject({ id: z.string(), model: z.string(), version: z.string(), reason: z.string() })
  .openapi('Investigation');
export const policy = z.looseObject({ version: z.number(), approvers: z.array(z.string()) }).openapi('Policy');
export const policyVersion = z.object({ policy, by: z.string(), reason: z.string(), atMs: time }).openapi('PolicyVersion');
export const person = z.looseObject({ name: z.string(), keyId: z.string() }).openapi('Person');
export const auditRow = z
  .looseObject({ sequence: z.number(), at: z.string(), action: z.string(), by: z.string(), outcome: z.string(), hash: z.string() })
  .openapi('AuditRow');
export const auditVerdict = z.looseObject({ kind: z.enum(['whole', 'broken']) }).openapi('AuditVerdict');
export const outboxMessage = z.looseObject({ key: z.string(), model: z.string(), attempts: z.number() }).openapi('OutboxMessage');
export const published = z
  .object({ model: z.string(), digest: z.string(), previous: z.string().nullable(), changed: z.boolean() })
  .openapi('Publication');
export const inferenceRequest = z.object({ inputs: z.array(z.looseObject({})) }).openapi('InferenceRequest');
export const health = z.object({ live: z.literal(true) }).openapi('Health');
export const failure = z
  .object({ error: z.object({ type: z.string(), message: z.string(), details: z.record(z.string(), z.unknown()) }) })
  .openapi('Failure');
export const registration = z
  .strictObject({
    name: text.max(64),
    publicKey: z.string().min(1).max(4_000).openapi({ description: 'Ed25519 public key, PEM' }),
    approver: z.boolean().optional(),
    by,
    reason,
  })
  .openapi('Registration');
export const registered = z.object({ keyId: z.string(), registered: z.boolean() }).openapi('RegisteredKey');
