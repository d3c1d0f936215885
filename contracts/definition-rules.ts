import { inputColumns, lookbackMs } from '../domain/feature-computation.js';
import { leastRetentionDays, longestRolloutMs, planOf } from '../domain/capture-retention.js';
import { formatDuration } from '../domain/format.js';
import type { ModelDefinition } from '../domain/model-definition.js';
import { brief, type DefinitionFault } from './definition-fault.js';

/** What must agree between fields of a definition whose shape is right. All faults at once. */
export function ruleFaults(definition: ModelDefinition): DefinitionFault[] {
  return [
    ...uniqueNames(definition),
    ...columnRules(definition),
    ...featureRules(definition),
    ...metricRules(definition),
    ...tuningRules(definition),
    ...servingRules(definition),
  ];
}

const fault = (path: string, expected: string, found: unknown): DefinitionFault => ({
  path,
  expected,
  found: typeof found === 'string' ? found : brief(found),
});

function uniqueNames(definition: ModelDefinition): DefinitionFault[] {
  const lists: readonly (readonly [string, readonly { readonly name: string }[]])[] = [
    ['checks.columns', definition.checks.columns],
    ['features', definition.features],
    ['metrics', definition.metrics],
    ['serving.request', definition.serving.request],
    ['retraining.schedules', definition.retraining.schedules],
  ];
  return lists.flatMap(([path, list]) =>
    list.flatMap(({ name }, i) => {
      const first = list.findIndex((other) => other.name === name);
      return first < i ? [fault(`${path}[${i}].name`, `a name that ${path}[${first}] has not got`, name)] : [];
    }),
  );
}

function columnRules(definition: ModelDefinition): DefinitionFault[] {
  const { checks, eventTime, target } = definition;
  const faults: DefinitionFault[] = [];
  const names = checks.columns.map((column) => column.name);
  const known = `a column of checks.columns (${names.join(', ')})`;
  const eventColumn = checks.columns.find((column) => column.name === eventTime);
  if (eventColumn === undefined) faults.push(fault('eventTime', known, eventTime));
  else if (eventColumn.type !== 'timestamp')
    faults.push(fault(`checks.columns[${names.indexOf(eventTime)}].type`, '"timestamp", as it is the event time', eventColumn.type));
  const targetColumn = checks.columns.find((column) => column.name === target.column);
  if (targetColumn === undefined) faults.push(fault('target.column', known, target.column));
  else if (targetColumn.type !== 'integer' && targetColumn.type !== 'number') {
    faults.push(
      fault(`checks.columns[${names.indexOf(target.column)}].type`, '"integer" or "number", as it is the target', targetColumn.type),
    );
  }
  checks.columns.forEach((column, i) => {
    const at = `checks.columns[${i}]`;
    const numeric = column.type === 'integer' || column.type === 'number';
    if (!numeric && (column.min !== undefined || column.max !== undefined))
      faults.push(fault(at, 'min and max on integer and number columns only', column.type));
    if (column.min !== undefined && column.max !== undefined && column.min > column.max)
      faults.push(fault(`${at}.min`, `at most max (${column.max})`, column.min));
    if (column.nullable === true && (column.name === eventTime || column.name === target.column)) {
      faults.push(fault(`${at}.nullable`, 'false or left out: the event time and the target are always there', true));
    }
  });
  checks.uniqueBy.forEach((name, i) => {
    if (!names.includes(name)) faults.push(fault(`checks.uniqueBy[${i}]`, known, name));
  });
  return faults;
}

function featureRules(definition: ModelDefinition): DefinitionFault[] {
  const { checks, features, eventTime, target } = definition;
  const faults: DefinitionFault[] = [];
  features.forEach((feature, i) => {
    if (feature.name === eventTime || feature.name === target.column) {
      faults.push(fault(`features[${i}].name`, `another name than the event time's and the target's column`, feature.name));
    }
    if (feature.kind !== 'input') return;
    const column = checks.columns.find(({ name }) => name === feature.column);
    if (feature.column === target.column)
      faults.push(
        fault(
          `features[${i}].column`,
          'a column that is known before the outcome; past outcomes come as lag and rollingMean',
          feature.column,
        ),
      );
    else if (column === undefined)
      faults.push(
        fault(`features[${i}].column`, `a column of checks.columns (${checks.columns.map(({ name }) => name).join(', ')})`, feature.column),
      );
    else if (column.type === 'text' || column.type === 'timestamp')
      faults.push(
        fault(
          `features[${i}].column`,
          'an integer, number or boolean column; turn text into numbers in source.query',
          `${feature.column}, ${column.type}`,
        ),
      );
  });
  if (lookbackMs(features) > 0 && (checks.uniqueBy.length !== 1 || checks.uniqueBy[0] !== eventTime)) {
    faults.push(fault('checks.uniqueBy', `["${eventTime}"]: lag and rollingMean need one outcome for a time`, checks.uniqueBy));
  }
  return faults;
}

function metricRules(definition: ModelDefinition): DefinitionFault[] {
  const names = definition.metrics.map(({ name }) => name);
  return definition.gates.flatMap((gate, i) =>
    'metric' in gate && !names.includes(gate.metric)
      ? [fault(`gates[${i}].metric`, `the name of a metric (${names.join(', ')})`, gate.metric)]
      : [],
  );
}

function tuningRules(definition: ModelDefinition): DefinitionFault[] {
  const { tuning, trainer, metrics } = definition;
  if (tuning === undefined) return [];
  const faults: DefinitionFault[] = [];
  const objectives = metrics.filter(({ kind }) => kind !== 'bias').map(({ name }) => name);
  if (!objectives.includes(tuning.objective))
    faults.push(fault('tuning.objective', `the name of a metric to make small (${objectives.join(', ')})`, tuning.objective));
  if (tuning.parallelism > tuning.trials) faults.push(fault('tuning.parallelism', `at most trials (${tuning.trials})`, tuning.parallelism));
  for (const [key, dimension] of Object.entries(tuning.space)) {
    const at = `tuning.space.${key}`;
    const value = trainer.hyperparameters[key];
    if (value === undefined)
      faults.push(fault(at, `a key of trainer.hyperparameters (${Object.keys(trainer.hyperparameters).join(', ')})`, key));
    if (dimension.kind === 'choice') continue;
    if (dimension.low >= dimension.high) faults.push(fault(`${at}.low`, `less than high (${dimension.high})`, dimension.low));
    if (dimension.log === true && dimension.low <= 0) faults.push(fault(`${at}.low`, 'above 0 on a log scale', dimension.low));
  }
  return faults;
}

function servingRules(definition: ModelDefinition): DefinitionFault[] {
  const { serving, features, eventTime, target } = definition;
  const faults: DefinitionFault[] = [];
  const fields = new Map(serving.request.map((field) => [field.name, field]));
  for (const column of inputColumns(features)) {
    const field = fields.get(column);
    if (field === undefined) faults.push(fault('serving.request', `a field "${column}", which a feature reads`, [...fields.keys()]));
    else if (field.datatype === 'BYTES')
      faults.push(fault(`serving.request (${column})`, 'a number or BOOL, as a feature reads it', field.datatype));
  }
  if (fields.has(target.column))
    faults.push(fault('serving.request', 'no field for the target, which the caller cannot know', target.column));
  const event = fields.get(eventTime);
  if (event !== undefined && event.datatype !== 'INT64')
    faults.push(fault(`serving.request (${eventTime}).datatype`, '"INT64", epoch milliseconds, as it is the event time', event.datatype));
  serving.request.forEach((field, i) => {
    if (field.min !== undefined && field.max !== undefined && field.min > field.max)
      faults.push(fault(`serving.request[${i}].min`, `at most max (${field.max})`, field.min));
  });
  const { min, max } = serving.output;
  if (min !== undefined && max !== undefined && min >= max) faults.push(fault('serving.output.min', `less than max (${max})`, min));
  faults.push(...redactionRules(definition), ...retentionRules(definition), ...entityRules(definition));
  serving.subject.forEach((name, i) => {
    if (!fields.has(name))
      faults.push(fault(`serving.subject[${i}]`, `a field of serving.request (${[...fields.keys()].join(', ')})`, name));
  });
  return faults;
}

function entityRules({ serving, eventTime }: ModelDefinition): DefinitionFault[] {
  const { entities } = serving;
  if (entities === undefined) return [];
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

function redactionRules({ serving, eventTime }: ModelDefinition): DefinitionFault[] {
  const fields = new Map(serving.request.map((field) => [field.name, field]));
  const rules = serving.capture?.redact ?? [];
  return rules.flatMap((rule, i) => {
    const at = `serving.capture.redact[${i}]`;
    const field = fields.get(rule.field);
    if (field === undefined) return [fault(`${at}.field`, `a field of serving.request (${[...fields.keys()].join(', ')})`, rule.field)];
    if (rules.findIndex(({ field: name }) => name === rule.field) < i)
      return [fault(`${at}.field`, 'a field that no rule before it names', rule.field)];
    if (rule.field === eventTime)
      return [fault(`${at}.field`, 'another field than the event time, by which rollouts and outcomes go', rule.field)];
    if (rule.how !== 'hash' && serving.subject.includes(rule.field))
      return [fault(`${at}.how`, '"hash", as the field is part of the subject: otherwise different questions become one', rule.how)];
    if (rule.how === 'truncate' && field.datatype !== 'BYTES')
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
