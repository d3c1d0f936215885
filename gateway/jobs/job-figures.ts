import type { SampledFigure } from '../watching/metrics.js';
import type { JobQueue } from './job-queue.js';

/** How the long jobs fare. */
export function jobFigures(queue: JobQueue): readonly SampledFigure[] {
  return [
    { name: 'gateway_jobs_queued', kind: 'gauge', help: 'Long jobs that wait', read: () => queue.count('queued') },
    { name: 'gateway_jobs_running', kind: 'gauge', help: 'Long jobs at work', read: () => queue.count('running') },
    { name: 'gateway_jobs_kept', kind: 'gauge', help: 'Long jobs that are kept, ended ones included', read: () => queue.size },
  ];
}
