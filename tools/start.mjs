import { runCommandLine } from './command.mjs';

// `npm start -- <arguments>`: the whole stack and the rehearsal of a first lifecycle.
await runCommandLine(['up', '--rehearse', ...process.argv.slice(2)]);
