import { SetUpFailure } from './failure.mjs';
import { CommandFailure } from './run-command.mjs';

const network =
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNRESET|ERR_SOCKET_TIMEOUT|ENETUNREACH|dial tcp|no such host|i\/o timeout|Connection refused|Failed to establish a new connection|Temporary failure in name resolution|Max retries exceeded|Could not transfer|Could not resolve|fetch failed|No matching distribution found|proxyconnect/i;
const disk = /ENOSPC|No space left on device|disk quota exceeded|EDQUOT/i;

/**
 * Turns what a step threw into one message: what could not be made, why, and what to do.
 * @param {{what: string, source?: string, reach?: string, error: unknown}} parts `source` is what was to be fetched from where,
 *   `reach` the command that shows the address in use
 * @returns {SetUpFailure}
 */
export function explain({ what, source, reach, error }) {
  if (error instanceof SetUpFailure) return error;
  const text = error instanceof CommandFailure ? error.output : error instanceof Error ? error.message : String(error);
  if (disk.test(text)) {
    return new SetUpFailure({
      what,
      why: 'the disk is full',
      todo: 'free some space, or put everything elsewhere with PERENNIAL_HOME=/path, and start again: what is done is kept',
      cause: error,
    });
  }
  if (source !== undefined && network.test(text)) {
    return new SetUpFailure({
      what,
      why: `${source} could not be fetched (${tellingLine(text, network)})`,
      todo: `check the network and the proxy settings${reach === undefined ? '' : ` (\`${reach}\`)`}, and start again: what is done is kept`,
      cause: error,
    });
  }
  return new SetUpFailure({
    what,
    why: tellingLine(text, /error|fail|cannot/i),
    todo: 'mend this and start again: what is done is kept',
    cause: error,
  });
}

/**
 * @param {string} text
 * @param {RegExp} pattern
 */
function tellingLine(text, pattern) {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  // npm says what is wrong first and where its log is last; the others end with what is wrong.
  const npmLine = lines.find((line) => /^npm error (?!code|errno|syscall|A complete log)\S/.test(line));
  return (npmLine ?? lines.findLast((line) => pattern.test(line)) ?? lines.at(-1) ?? 'no message').slice(0, 240).replace(/\.$/, '');
}
