/**
 * An expected failure of set-up or of a server: what could not be done, why, and the way out.
 * It is printed without a stack; anything else that is thrown is a bug and keeps its stack.
 */
export class SetUpFailure extends Error {
  /** @param {{what: string, why: string, todo: string, cause?: unknown}} parts each one line, without a full stop at the end */
  constructor({ what, why, todo, cause }) {
    super(`${what}: ${why}. ${todo.charAt(0).toUpperCase()}${todo.slice(1)}.`, cause === undefined ? undefined : { cause });
    this.name = 'SetUpFailure';
    this.what = what;
    this.why = why;
    this.todo = todo;
  }
}

/**
 * One message for a person, whatever was thrown.
 * @param {unknown} error
 * @returns {string}
 */
export function describeFailure(error) {
  if (error instanceof SetUpFailure) {
    return `✗ ${error.what}\n  why:  ${error.why}\n  do:   ${error.todo}`;
  }
  if (error instanceof Error) return error.stack ?? error.message;
  return String(error);
}
