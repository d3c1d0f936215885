import { inputColumns } from '../domain/feature-computation.js';
import { leastRetentionDays, longestRolloutMs, planOf } from '../domain/capture-retention.js';
import type { FeatureDefinition } from '../domain/features.js';
import { formatDuration } from '../domain/format.js';
import type { ModelDefinition, RequestField } from '../domain/model-definition.js';
import { type DefinitionFault, fault } from './definition-fault.js';

/**
 * What must agree between the fields of `serving` of any definition. Without an event time of its own `eventTime` is null.
 * With no `request` fields are the tensors of a file that is not here: their names are checked when it comes.
 */
export function servingRules(definition: ModelDefinition, eventTime: string | null): DefinitionFault[] {
  const { serving } = definition;
  const faults: DefinitionFault[] = [];
  const names = [...new Set(serving.request.map(({ name }) => name))];
  serving.request.forEach((field, i) => {
    if (field.min !== undefined && field.max !== undefined && field.min > field.max)
      faults.push(fault(`serving.request[${i}].min`, `at most max (${field.max})`, field.min));
  });
  const { min, max } = serving.output;
  if (min !== undefined && max !== undefined && min >= max) faults.push(fault('serving.output.min', `less than max (${max})`, min));
  faults.push(...redactionRules(definition, eventTime), ...retentionRules(definition), ...entityRules(definition, eventTime));
  serving.subject.forEach((name, i) => {
    if (names.length > 0 && !names.includes(name))
      faults.push(fault(`serving.subject[${i}]`, `a field of serving.request (${names.join(', ')})`, name));
  });
  return faults;
}

/** Every column that a feature takes from the request is one of its fields, and a number. */
export function featureFieldRules(request: readonly RequestField[], features: readonly FeatureDefinition[]): DefinitionFault[] {
  const fields = new Map(request.map((field) => [field.name, field]));
  return inputColumns(features).flatMap((column) => {
    const field = fields.get(column);
    if (field === undefined) return [fault('serving.request', `a field "${column}", which a feature reads`, [...fields.keys()])];
    return field.datatype === 'BYTES'
      ? [fault(`serving.request (${column})`, 'a number or BOOL, as a feature reads it', field.datatype)]
      : [];
  });
}

/** Each name in a list once. */
export function namedTwice(path: string, list: readonly { readonly name: string }[]): DefinitionFault[] {
  return list.flatMap(({ name }, i) => {
    const first = list.findIndex((other) => other.name === name);
    return first < i ? [fault(`${path}[${i}].name`, `a name that ${path}[${first}] has not got`, name)] : [];
  });
}

function entityRules({ serving }: ModelDefinition, eventTime: string | null): DefinitionFault[] {
  const { entities } = serving;
  // Where there are no fields, that alone is the fault.
  if (entities === undefined || serving.request.length === 0) return [];
  const fields = new Map(serving.request.map((field) => [field.name, field]));
  const faults: DefinitionFault[] = [];
  entities.features.forEach((name, i) => {
    const at = `serving.entities.features[${i}]`;
    if (!fields.has(name)) faults.push(fault(at, `a field of serving.request (${[...fields.keys()].join(', ')})`, name));
    if (name === eventTime) faults.push(fault(at, 'another field than the event time, which the caller alone knows', name));
    if (entities.features.indexOf(name) < i) faults.push(fault(at, 'a field that is not named before', name));
  });
  entities.key.forEach(({ name, datatype }, i) => {
    const at = `serving.entities.key[${i}]`;
    if (entities.features.includes(name)) faults.push(fault(`${at}.name`, 'a column that is not looked up itself', name));
    if (entities.key.findIndex((column) => column.name === name) < i)
      faults.push(fault(`${at}.name`, 'a column that is not named before', name));
    const field = fields.get(name);
    if (field !== undefined && field.datatype !== datatype)
      faults.push(fault(`${at}.datatype`, `"${field.datatype}", as in serving.request`, datatype));
  });
  return faults;
}

function redactionRules({ serving }: ModelDefinition, eventTime: string | null): DefinitionFault[] {
  const fields = new Map(serving.request.map((field) => [field.name, field]));
  const rules = serving.capture?.redact ?? [];
  return rules.flatMap((rule, i) => {
    const at = `serving.capture.redact[${i}]`;
    const field = fields.get(rule.field);
    if (field === undefined && fields.size > 0)
      return [fault(`${at}.field`, `a field of serving.request (${[...fields.keys()].join(', ')})`, rule.field)];
    if (rules.findIndex(({ field: name }) => name === rule.field) < i)
      return [fault(`${at}.field`, 'a field that no rule before it names', rule.field)];
    if (rule.field === eventTime)
      return [fault(`${at}.field`, 'another field than the event time, by which rollouts and outcomes go', rule.field)];
    if (rule.how !== 'hash' && serving.subject.includes(rule.field))
      return [fault(`${at}.how`, '"hash", as the field is part of the subject: otherwise different questions become one', rule.how)];
    if (rule.how === 'truncate' && field !== undefined && field.datatype !== 'BYTES')
      return [fault(`${at}.how`, '"drop", "hash" or "mask": only a text (BYTES) has a beginning', rule.how)];
    return [];
  });
}

/** Captures that are evidence still must not go. */
function retentionRules(definition: ModelDefinition): DefinitionFault[] {
  const days = definition.serving.capture?.retentionDays;
  const least = leastRetentionDays(definition);
  if (days === undefined || days >= least) return [];
  const plan = planOf(definition);
  const needed = `a rollout by ${plan.name} may look back ${formatDuration(longestRolloutMs(plan))}, and labels come up to ${formatDuration(definition.labels.expectedDelayMs)} late`;
  return [fault('serving.capture.retentionDays', `at least ${least}: ${needed}`, days)];
}
