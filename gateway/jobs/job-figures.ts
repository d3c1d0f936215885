import type { SampledFigure } from '../watching/sampled-figure.js';
import { gauge } from '../watching/sampled-figure.js';
import type { JobQueue } from './job-queue.js';

/** How the long jobs fare. */
export function jobFigures(queue: JobQueue): readonly SampledFigure[] {
  return [
    gauge('gateway_jobs_queued', 'Long jobs that wait', () => queue.count('queued')),
    gauge('gateway_jobs_running', 'Long jobs at work', () => queue.count('running')),
    gauge('gateway_jobs_kept', 'Long jobs that are kept, ended ones included', () => queue.size),
  ];
}
