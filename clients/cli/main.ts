import { runCli } from './run-cli.js';

// The program behind ./perennial; the one place of the clients that reads the environment.

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

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
