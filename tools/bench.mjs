import { runBundled } from './bundled-program.mjs';

// `npm run bench:<name> -- <arguments>`: runs bench/<name>.ts.
const [name = '', ...args] = process.argv.slice(2);
await runBundled({ source: `bench/${name}.ts`, args, need: name === 'gateway' ? ['rivals'] : [] });
