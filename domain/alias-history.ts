import { PerennialError } from './errors.js';
import type { Alias, SemanticVersion } from './version.js';

/** Which version held an alias of one model from `fromMs` until before `toMs` (null: still does). Wall time. */
export type AliasPeriod = {
  readonly alias: Alias;
  readonly version: SemanticVersion;
  readonly fromMs: number;
  readonly toMs: number | null;
};

/**
 * History after an alias moved to `to` (null: nobody holds it) at `atMs`; the period that is open ends there. Moving an
 * alias to its holder changes nothing. Throws `Conflict` when `atMs` is not after the start of the open period: history
 * is only written forward.
 */
export function moveAlias(
  history: readonly AliasPeriod[],
  { alias, to, atMs }: { alias: Alias; to: SemanticVersion | null; atMs: number },
): readonly AliasPeriod[] {
  const last = history.filter((period) => period.alias === alias).at(-1);
  const open = last?.toMs === null ? last : undefined;
  if (open?.version === to || (open === undefined && to === null)) return history;
  const earliest = open === undefined ? last?.toMs : open.fromMs;
  if (!Number.isFinite(atMs) || (typeof earliest === 'number' && (open === undefined ? atMs < earliest : atMs <= earliest))) {
    throw new PerennialError(
      'Conflict',
      `${alias} cannot move to ${to ?? 'nobody'} at ${atMs}: its history is written up to ${earliest ?? 'nothing'} already.`,
    );
  }
  const closed = history.map((period) => (period === open ? { ...period, toMs: atMs } : period));
  return to === null ? closed : [...closed, { alias, version: to, fromMs: atMs, toMs: null }];
}

/** Who held an alias at a moment, or null. */
export function holderAt(history: readonly AliasPeriod[], { alias, atMs }: { alias: Alias; atMs: number }): SemanticVersion | null {
  return (
    history.find((period) => period.alias === alias && period.fromMs <= atMs && (period.toMs === null || atMs < period.toMs))?.version ??
    null
  );
}

/** Who was champion at a moment, or null. */
export function championAt(history: readonly AliasPeriod[], atMs: number): SemanticVersion | null {
  return holderAt(history, { alias: 'champion', atMs });
}
