import { lookbackMs } from '../domain/feature-computation.js';
import type { TrainedDefinition } from '../domain/model-definition.js';
import { type DefinitionFault, fault } from './definition-fault.js';
import { featureFieldRules, namedTwice, servingRules } from './serving-rules.js';

/** What must agree between fields of a definition whose shape is right. All faults at once. */
export function trainedFaults(definition: TrainedDefinition): DefinitionFault[] {
  return [
    ...uniqueNames(definition),
    ...columnRules(definition),
    ...featureRules(definition),
    ...metricRules(definition),
    ...tuningRules(definition),
    ...requestRules(definition),
    ...limitRules(definition),
    ...servingRules(definition, definition.eventTime),
  ];
}

/** Retrained versions follow each other without anybody looking closely: their rollouts are judged by labels too. */
function limitRules({ rollout }: TrainedDefinition): DefinitionFault[] {
  return rollout.limits.quality === undefined ? [fault('rollout.limits.quality', 'an object', undefined)] : [];
}

function uniqueNames(definition: TrainedDefinition): DefinitionFault[] {
  const lists: readonly (readonly [string, readonly { readonly name: string }[]])[] = [
    ['checks.columns', definition.checks.columns],
    ['features', definition.features],
    ['metrics', definition.metrics],
    ['serving.request', definition.serving.request],
    ['retraining.schedules', definition.retraining.schedules],
  ];
  return lists.flatMap(([path, list]) => namedTwice(path, list));
}

function columnRules(definition: TrainedDefinition): DefinitionFault[] {
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

function featureRules(definition: TrainedDefinition): DefinitionFault[] {
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

function metricRules(definition: TrainedDefinition): DefinitionFault[] {
  const names = definition.metrics.map(({ name }) => name);
  return definition.gates.flatMap((gate, i) =>
    'metric' in gate && !names.includes(gate.metric)
      ? [fault(`gates[${i}].metric`, `the name of a metric (${names.join(', ')})`, gate.metric)]
      : [],
  );
}

function tuningRules(definition: TrainedDefinition): DefinitionFault[] {
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

/** What the caller is asked for must agree with the columns that the features read. */
function requestRules({ serving, features, eventTime, target }: TrainedDefinition): DefinitionFault[] {
  const faults = featureFieldRules(serving.request, features);
  const fields = new Map(serving.request.map((field) => [field.name, field]));
  if (fields.has(target.column))
    faults.push(fault('serving.request', 'no field for the target, which the caller cannot know', target.column));
  const event = fields.get(eventTime);
  if (event !== undefined && event.datatype !== 'INT64')
    faults.push(fault(`serving.request (${eventTime}).datatype`, '"INT64", epoch milliseconds, as it is the event time', event.datatype));
  return faults;
}
