import { runBundled } from './bundled-program.mjs';

// `npm run conformance -- <arguments>`: stock clients and ported tests against a real gateway. MLServer is one of the rivals.
await runBundled({ source: 'test/conformance/conformance.ts', args: process.argv.slice(2), need: ['conformance', 'rivals'] });
