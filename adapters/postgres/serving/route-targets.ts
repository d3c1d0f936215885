import type { RouteTarget } from './route-state.js';

/**
 * Traffic of one rollout step. The champion stands first, so that a growing share never moves a caller back. A challenger
 * that answers nobody yet is loaded as shadow or standby, and the version before the champion stays ready.
 */
export function stepTarget(step: {
  champion: string | null;
  challenger: string;
  previous: string | null;
  share: number;
  shadow: boolean;
  salt: string;
}): RouteTarget {
  const { champion, challenger, previous, share, shadow, salt } = step;
  const live = liveVariants(champion, challenger, share);
  const loaded = new Set(live.map((variant) => variant.version));
  const shadowed = shadow && !loaded.has(challenger) ? challenger : null;
  const standby = [previous, challenger].filter(
    (version): version is string => version !== null && version !== shadowed && !loaded.has(version),
  );
  return { variants: live, shadow: shadowed, standby: [...new Set(standby)], salt };
}

function liveVariants(champion: string | null, challenger: string, share: number): RouteTarget['variants'] {
  if (champion === null) return share > 0 ? [{ version: challenger, weight: 1 }] : [];
  if (share <= 0) return [{ version: champion, weight: 1 }];
  return [
    { version: champion, weight: 1 - share },
    { version: challenger, weight: share },
  ];
}

/** All traffic to one version (or to none), others kept ready. */
export function wholeTarget(version: string | null, standby: readonly (string | null)[], salt: string): RouteTarget {
  const ready = standby.filter((other): other is string => other !== null && other !== version);
  return { variants: version === null ? [] : [{ version, weight: 1 }], shadow: null, standby: [...new Set(ready)], salt };
}
