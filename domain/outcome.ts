/** How a run ended. Only `failed` is a technical failure; the others are results. */
export type RunOutcome = 'promoted' | 'rolledBack' | 'gateRefused' | 'rejected' | 'expired' | 'superseded' | 'skipped' | 'failed';
