import { DefaultLogger, Runtime } from '@temporalio/worker';

/** Workers of tests say only what went wrong. */
Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } } });
