import { DefaultLogger, Runtime } from '@temporalio/worker';

/** Workers of tests say only what went wrong in themselves; what a workflow logs about a failure that a test made is no news. */
const logger = new DefaultLogger('ERROR', (entry) => {
  if (entry.meta?.sdkComponent !== 'workflow')
    process.stderr.write(`${entry.level} ${entry.message} ${JSON.stringify(entry.meta ?? {})}\n`);
});
Runtime.install({ logger, telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } } });
