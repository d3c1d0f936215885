import { planOf } from '../domain/capture-retention.js';
import type { ImportedDefinition } from '../domain/model-definition.js';
import { type DefinitionFault, fault } from './definition-fault.js';
import { featureFieldRules, namedTwice, servingRules } from './serving-rules.js';

/** What must agree between fields of an imported model's definition whose shape is right. All faults at once. */
export function importedFaults(definition: ImportedDefinition): DefinitionFault[] {
  const { features, serving } = definition;
  return [
    ...namedTwice('features', features),
    ...namedTwice('serving.request', serving.request),
    ...featureFieldRules(serving.request, features),
    ...(features.length === 0 ? tensorRules(definition) : []),
    ...pairRules(definition),
    ...servingRules(definition, null),
  ];
}

/** Without features the gateway knows no fields, only the tensors that the file takes and answers. */
function tensorRules({ serving }: ImportedDefinition): DefinitionFault[] {
  const faults: DefinitionFault[] = [];
  if (serving.request.length > 0)
    faults.push(
      fault(
        'serving.request',
        "[], as callers send the tensors of the file; or features that make the file's matrix of the fields",
        serving.request.map(({ name }) => name),
      ),
    );
  if (serving.entities !== undefined)
    faults.push(fault('serving.entities', 'left out: without features there are no fields to look up', serving.entities));
  for (const bound of ['min', 'max'] as const)
    if (serving.output[bound] !== undefined)
      faults.push(
        fault(`serving.output.${bound}`, 'left out: without features the outputs are answered as the file has them', serving.output[bound]),
      );
  return faults;
}

/** Labels judge by questions that both versions answered: a canary alone asks each question of one of them. */
function pairRules(definition: ImportedDefinition): DefinitionFault[] {
  const { quality } = definition.rollout.limits;
  const { name, steps } = planOf(definition);
  const waitsForPairs = steps.some(({ kind }) => kind === 'canary') && !steps.some(({ kind }) => kind === 'shadow');
  if (quality === undefined || definition.serving.subject.length > 0 || !waitsForPairs) return [];
  const expected = `left out, or a serving.subject, or the plan shadow-then-canary: without them no question is answered by both versions, and a rollout by ${name} waits for labels until its deadline`;
  return [fault('rollout.limits.quality', expected, quality)];
}
