import type { CaptureSpool } from './capture-spool.js';
import type { RequestCaptures } from './request-captures.js';
import type { SampledFigure } from './sampled-figure.js';
import { counter, gauge } from './sampled-figure.js';

/** How the files of observed requests fare. */
export function spoolFigures(spool: CaptureSpool, requests: RequestCaptures): readonly SampledFigure[] {
  return [
    gauge('gateway_capture_files_stopped', '1 while no request is captured in files because a disk is nearly full', () =>
      spool.stopped ? 1 : 0,
    ),
    gauge('gateway_capture_files_waiting_bytes', 'Captured requests in memory', () => spool.waitingBytes),
    counter('gateway_capture_lines_written_total', 'Requests written to files', () => spool.written),
    counter('gateway_capture_lines_thinned_total', 'Requests not captured in files because they come too fast', () => spool.thinned),
    counter('gateway_capture_lines_lost_total', 'Requests not captured in files for want of room or of a disk', () => spool.lost),
    counter(
      'gateway_capture_lines_too_large_total',
      'Requests of more than 1 MiB, which are not captured in files',
      () => requests.tooLarge,
    ),
    counter('gateway_capture_lines_torn_total', 'Lines that a killed gateway has left unfinished', () => spool.tornLines),
    counter('gateway_capture_files_total', 'Files of requests that reached their place', () => spool.files),
    counter('gateway_capture_files_recovered_total', 'Files that a killed gateway has left', () => spool.recoveredFiles),
  ];
}
