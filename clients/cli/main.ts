import { endWithReader, outliveReader } from './closed-output.js';
import { runCli } from './run-cli.js';

// The program behind ./perennial; the one place of the clients that reads the environment.

endWithReader(process.stdout, () => process.exit(0));
outliveReader(process.stderr);

const code = await runCli(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
});
// What was written to a pipe is let out before the process ends.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))));
// `up` sets the code of the process itself.
process.exit(code === 0 ? process.exitCode : code);
