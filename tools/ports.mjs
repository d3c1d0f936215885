import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { SetUpFailure } from './failure.mjs';

const TRIES = 200;
// Linux gives 32768 to 60999 to outgoing connections, macOS and Windows 49152 to 65535.
const DRAWN_FROM = 15_000;
const DRAWN_BELOW = 32_000;

/**
 * Whether a loopback port can be listened on now.
 * @param {number} port
 * @param {string} [host]
 * @returns {Promise<boolean>}
 */
export async function isFree(port, host = '127.0.0.1') {
  return (await listenOnce(port, host)) !== undefined;
}

/**
 * A port that nobody listens on, drawn from those that no system gives to outgoing connections: one of the system's own
 * choice could be the near end of somebody's connection by the time that it is listened on.
 * @param {string} [host]
 * @returns {Promise<number>}
 */
export async function freePort(host = '127.0.0.1') {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(DRAWN_FROM, DRAWN_BELOW);
    if (await isFree(port, host)) return port;
  }
  throw new SetUpFailure({
    what: `No free port on ${host}`,
    why: `${TRIES} between ${DRAWN_FROM} and ${DRAWN_BELOW - 1} were tried and none could be listened on`,
    todo: 'close programs that listen on many ports, or check that the loopback device is up',
  });
}

/**
 * The port for one server. A port asked for by a variable is that one or an error that names the
 * variable; a taken default moves to the next free one and says so; a default of 0 is any free port.
 * @param {{what: string, preferred: number, variable?: string, env?: NodeJS.ProcessEnv, say?: (line: string) => void, except?: ReadonlySet<number>}} wish
 *   `except` holds ports already given to others that do not listen yet
 * @returns {Promise<number>}
 */
export async function choosePort({ what, preferred, variable, env = process.env, say = () => {}, except = new Set() }) {
  const asked = variable === undefined ? undefined : env[variable];
  if (variable !== undefined && asked !== undefined && asked !== '') {
    return askedPort({ what, variable, asked });
  }
  if (preferred === 0) return freePort();
  for (let port = preferred; port < preferred + TRIES; port += 1) {
    if (!except.has(port) && (await isFree(port))) {
      if (port !== preferred) {
        const fix = variable === undefined ? '' : ` (set ${variable} to choose one)`;
        say(`port ${preferred} for ${what} is taken; using ${port}${fix}`);
      }
      return port;
    }
  }
  throw new SetUpFailure({
    what: `No port for ${what}`,
    why: `${preferred} to ${preferred + TRIES - 1} are all taken`,
    todo: variable === undefined ? 'free one of them' : `set ${variable} to a free port`,
  });
}

/**
 * Refuses when a server that was there cannot come back to its port, which others know.
 * @param {{what: string, port: number}} wish
 * @returns {Promise<number>}
 */
export async function samePort({ what, port }) {
  if (await isFree(port)) return port;
  throw new SetUpFailure({
    what: `Port ${port} of ${what} is taken`,
    why: 'it was there before, the other parts look for it there, and another program listens there now',
    todo: 'stop that program',
  });
}

/** @param {{what: string, variable: string, asked: string}} wish */
async function askedPort({ what, variable, asked }) {
  const port = Number(asked);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new SetUpFailure({
      what: `${variable}=${asked} is not a port`,
      why: 'a port is a whole number from 1 to 65535',
      todo: `correct ${variable}, or unset it to let ${what} choose`,
    });
  }
  if (!(await isFree(port))) {
    throw new SetUpFailure({
      what: `Port ${port} for ${what} is taken`,
      why: `${variable} asks for it and another program listens there`,
      todo: `stop that program, choose another port with ${variable}, or unset ${variable}`,
    });
  }
  return port;
}

/**
 * @param {number} port
 * @param {string} host
 * @returns {Promise<number | undefined>} the port that was listened on
 */
function listenOnce(port, host) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}
