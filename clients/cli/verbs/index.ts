import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { registerUp } from '../up.js';
import { registerApply } from './apply.js';
import { registerAudit } from './audit.js';
import { registerClient } from './client.js';
import { registerCommands } from './commands.js';
import { registerDecisions } from './decide.js';
import { registerExport } from './export.js';
import { registerImport } from './import.js';
import { registerInvestigations } from './investigations.js';
import { registerKeys } from './keys.js';
import { registerPolicy } from './policy.js';
import { registerPredict } from './predict.js';
import { registerRegistry } from './registry.js';
import { registerSchedules } from './schedules.js';
import { registerStatus } from './status.js';
import { registerTrain } from './train.js';
import { registerUpkeep } from './upkeep.js';

/** Every verb, in the order in which help shows them. */
const verbs: readonly ((program: Command, context: CliContext) => void)[] = [
  registerUp,
  registerApply,
  registerStatus,
  registerTrain,
  registerImport,
  registerRegistry,
  registerExport,
  registerDecisions,
  registerCommands,
  registerInvestigations,
  registerPredict,
  registerClient,
  registerSchedules,
  registerPolicy,
  registerKeys,
  registerAudit,
  registerUpkeep,
];

export function registerVerbs(program: Command, context: CliContext): void {
  for (const register of verbs) register(program, context);
}
