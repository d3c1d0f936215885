/**
 * One thing that set-up makes when it is missing.
 * @typedef {object} Step
 * @property {string} name
 * @property {string} why one line for a person
 * @property {readonly string[]} [after] names of steps that must be there first
 * @property {number} megabytes room on the disk that it takes
 * @property {(context: Context) => string | Promise<string>} digest of its inputs; the stamp keeps it
 * @property {(context: Context) => boolean} isThere whether its output exists
 * @property {(context: Context) => boolean} [isWanted]
 * @property {(context: Context) => void | Promise<void>} [check] fails at once when the machine lacks something
 * @property {(context: Context) => Promise<string | void>} make makes it anew; returns a note for a person
 * @property {string} [source] what it fetches from where
 * @property {string} [reach] the command that shows the address in use
 */

/**
 * @typedef {object} Context
 * @property {import('../places.mjs').Places} places
 * @property {NodeJS.ProcessEnv} env
 * @property {ReadonlySet<Need>} need
 * @property {(wish: {command: string, args: readonly string[], cwd?: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void}) => Promise<string>} run
 * @property {(line: string) => void} say
 * @property {(detail: string) => void} detail
 * @property {AbortSignal} signal
 */

/** What set-up is for: to run the platform, to run its tests, to run the gateway's rivals or stock clients, and whether the bundles are wanted. */
/** @typedef {'run' | 'test' | 'rivals' | 'conformance' | 'build'} Need */

export {};
