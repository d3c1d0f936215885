import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';

/** An activity's context for a test: its heartbeats, its cancellation, and no log lines for failures that are expected. */
export function activityRun() {
  const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  return {
    environment,
    run: <Input, Result>(activity: (input: Input) => Promise<Result>, input: Input): Promise<Result> =>
      environment.run(() => activity(input)) as Promise<Result>,
  };
}
