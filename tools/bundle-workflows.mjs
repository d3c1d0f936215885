import { writeFileSync } from 'node:fs';
import { bundleWorkflowCode } from '@temporalio/worker';
import { workflowInterceptors } from './entry-points.mjs';

// `node bundle-workflows.mjs <entry> <output>`: what the bundler has to complain about goes to stderr.
const [entry = '', output = ''] = process.argv.slice(2);
const silent = () => {};
const tell = (/** @type {unknown} */ message) => void process.stderr.write(`${String(message)}\n`);

try {
  const { code } = await bundleWorkflowCode({
    workflowsPath: entry,
    workflowInterceptorModules: [...workflowInterceptors],
    logger: { log: silent, trace: silent, debug: silent, info: silent, warn: tell, error: tell },
  });
  writeFileSync(output, code);
} catch (error) {
  tell(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
