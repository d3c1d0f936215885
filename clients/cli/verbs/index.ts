import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { registerUp } from '../up.js';
import { registerStatus } from './status.js';

/** Every verb, in the order in which help shows them. */
const verbs: readonly ((program: Command, context: CliContext) => void)[] = [registerUp, registerStatus];

export function registerVerbs(program: Command, context: CliContext): void {
  for (const register of verbs) register(program, context);
}
