import { formatCount, formatNumber, formatPercent, formatTime } from '../../../domain/format.js';
import type { DriverReport, VersionError } from '../driver-messages.js';
import type { LiveBlock } from '../../cli/output/screen.js';

const barWidth = 24;

/** The replay in one line: where model time stands, how fast it goes, how good the answers were. */
export class ReplayLine {
  #began: Extract<DriverReport, { kind: 'began' }> | null = null;
  #hour: Extract<DriverReport, { kind: 'hour' }> | null = null;
  #waiting: string | null = null;

  hear(report: DriverReport): void {
    if (report.kind === 'began') this.#began = report;
    if (report.kind === 'hour') this.#hour = report;
    if (report.kind === 'waiting') this.#waiting = report.why;
    if (report.kind === 'hour' || report.kind === 'ended') this.#waiting = null;
  }

  /** @param bounded whether it goes to a known end, and how far it is can be shown */
  block(mark: string, bounded: boolean): LiveBlock {
    const line = `${mark} ${this.#text(bounded)}`;
    return { lines: [line], plain: line };
  }

  #text(bounded: boolean): string {
    const began = this.#began;
    if (began === null) return 'the driver starts';
    const hour = this.#hour;
    if (this.#waiting !== null) return `${formatTime(hour?.nowMs ?? began.fromMs)}: model time stands still, ${this.#waiting}`;
    if (hour === null) return `${formatTime(began.fromMs)}: the first hour is asked for`;
    const far = bounded ? `${bar(hour.hours / Math.max(1, began.hours))} ${hour.hours} of ${began.hours} h, ` : '';
    const failed = hour.failed === 0 ? 'none failed' : `${formatNumber(hour.failed)} FAILED`;
    return [
      `${formatTime(hour.nowMs)}  ${far}${hour.hoursPerSecond.toFixed(1)} h/s`,
      `${formatCount(hour.requests, 'request')} (${failed})`,
      ...hour.errors.map(errorText),
    ].join('  ');
  }
}

/** `1.0.0 MAPE 12.3% over 61 h` */
export function errorText({ version, hours, error }: VersionError): string {
  return `${version} MAPE ${formatPercent(error)} over ${hours} h`;
}

function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * barWidth);
  return `${'━'.repeat(full)}${'─'.repeat(barWidth - full)}`;
}
