import { z } from 'zod';
import type { ImportedDefinition } from '../domain/model-definition.js';
import {
  commonFields,
  type DeepReadonly,
  type Flat,
  inputFeature,
  latencyGate,
  type Same,
  servingShape,
  text,
} from './definition-common-schema.js';

/** The shape of a definition whose versions are made elsewhere. Unknown fields are refused at every depth. */
export const importedSchema = z.strictObject({
  ...commonFields,
  versions: z.literal('imported'),
  task: z.enum(['regression', 'classification', 'other']),
  features: z.array(inputFeature),
  gates: z.array(latencyGate).min(1),
  serving: servingShape(text, 0),
});

const schemaMatchesType: Same<Flat<DeepReadonly<z.infer<typeof importedSchema>>>, Flat<ImportedDefinition>> = true;
void schemaMatchesType;
