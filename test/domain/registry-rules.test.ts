import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AliasPeriod, championAt, holderAt, moveAlias } from '../../domain/alias-history.js';
import { assertApprovalMove, assertStageMove } from '../../domain/stage-rules.js';
import type { Alias, Stage, VersionShape } from '../../domain/version.js';
import { compareVersions, nextVersion, parseVersion, versionBump } from '../../domain/versioning.js';

describe('versions', () => {
  const shape: VersionShape = { task: 'regression', trainer: 'lightgbm', schemaDigest: 's', recipeDigest: 'r' };
  const next = (change: Partial<VersionShape>) => nextVersion({ version: '1.4.7', shape }, { ...shape, ...change });

  test('the first is 1.0.0; each of the three numbers has its reason', () => {
    expect(nextVersion(null, shape)).toBe('1.0.0');
    expect(next({})).toBe('1.4.8');
    expect(next({ recipeDigest: 'r2' })).toBe('1.5.0');
    expect(next({ schemaDigest: 's2' })).toBe('2.0.0');
    expect(next({ trainer: 'xgboost' })).toBe('2.0.0');
    expect(next({ task: 'classification', recipeDigest: 'r2' })).toBe('2.0.0');
  });

  test('always grow, and go by numbers, not by text', () => {
    expect(compareVersions('1.10.0', '1.9.9')).toBeGreaterThan(0);
    expect(['1.0.10', '1.0.2', '0.9.0'].sort(compareVersions)).toEqual(['0.9.0', '1.0.2', '1.0.10']);
    const part = fc.nat(999);
    const letter = fc.constantFrom('a', 'b');
    const shapes = fc.record({ task: letter, trainer: letter, schemaDigest: letter, recipeDigest: letter });
    fc.assert(
      fc.property(fc.tuple(part, part, part), shapes, shapes, (parts, before, after) => {
        const version = parts.join('.');
        const grown = nextVersion({ version, shape: before }, after);
        expect(compareVersions(grown, version)).toBeGreaterThan(0);
        expect(versionBump(before, before)).toBe('patch');
        expect(parseVersion(grown).join('.')).toBe(grown);
      }),
    );
  });

  test.each(['1.0', 'v1.0.0', '1.0.0-rc', '01.0.0', '1.0.0 ', '', 'latest'])('"%s" is none', (text) => {
    expect(() => parseVersion(text)).toThrow(/Write MAJOR\.MINOR\.PATCH/);
  });
});

describe('stages', () => {
  const stages: Stage[] = ['None', 'Staging', 'Production', 'Archived'];
  const legal = [
    'None>Staging',
    'None>Archived',
    'Staging>None',
    'Staging>Production',
    'Staging>Archived',
    'Production>Archived',
    'Archived>Staging',
    'Archived>Production',
  ];

  test('move only as they may, and never past Staging', () => {
    for (const from of stages) {
      for (const to of stages) {
        const move = () => assertStageMove({ stage: from, approval: 'approved' }, to, 'demand-forecast 1.0.1');
        if (legal.includes(`${from}>${to}`)) expect(move).not.toThrow();
        else expect(move).toThrow(`demand-forecast 1.0.1 cannot move from ${from} to ${to}`);
      }
    }
  });

  test('nothing that is not approved gets near traffic', () => {
    for (const approval of ['pending', 'rejected'] as const) {
      expect(() => assertStageMove({ stage: 'None', approval }, 'Staging', 'm 1')).toThrow(
        expect.objectContaining({ type: 'NotApproved' }),
      );
      expect(() => assertStageMove({ stage: 'Archived', approval }, 'Production', 'm 1')).toThrow(
        expect.objectContaining({ type: 'NotApproved' }),
      );
      expect(() => assertStageMove({ stage: 'None', approval }, 'Archived', 'm 1')).not.toThrow();
    }
  });

  test('a decision about approval stands', () => {
    expect(() => assertApprovalMove('pending', 'approved', 'm 1')).not.toThrow();
    expect(() => assertApprovalMove('pending', 'rejected', 'm 1')).not.toThrow();
    for (const [from, to] of [
      ['approved', 'rejected'],
      ['rejected', 'approved'],
      ['approved', 'pending'],
      ['pending', 'pending'],
    ] as const) {
      expect(() => assertApprovalMove(from, to, 'm 1')).toThrow(expect.objectContaining({ type: 'Conflict' }));
    }
  });
});

describe('the history of aliases', () => {
  const move = (alias: Alias, to: string | null, atMs: number) => ({ alias, to, atMs });

  test('tells who was champion at any moment', () => {
    const first = moveAlias([], move('champion', '1.0.0', 100));
    const history = moveAlias(moveAlias(first, move('challenger', '1.0.1', 150)), move('champion', '1.0.1', 200));
    expect([99, 100, 199, 200, 1e12].map((atMs) => championAt(history, atMs))).toEqual([null, '1.0.0', '1.0.0', '1.0.1', '1.0.1']);
    expect(holderAt(history, { alias: 'challenger', atMs: 160 })).toBe('1.0.1');
    expect(championAt(moveAlias(history, move('champion', null, 300)), 300)).toBeNull();
    expect(moveAlias(history, move('champion', '1.0.1', 400))).toBe(history);
  });

  test('is written forward only', () => {
    const history = moveAlias([], move('champion', '1.0.0', 100));
    for (const atMs of [100, 50, NaN]) expect(() => moveAlias(history, move('champion', '1.0.1', atMs))).toThrow(/cannot move/);
    const closed = moveAlias(history, move('champion', null, 200));
    expect(() => moveAlias(closed, move('champion', '1.0.1', 150))).toThrow(/cannot move/);
    expect(championAt(moveAlias(closed, move('champion', '1.0.1', 200)), 200)).toBe('1.0.1');
  });

  test('never has two champions at once, and agrees with what was done', () => {
    const moves = fc.array(
      fc.record({
        alias: fc.constantFrom<Alias>('champion', 'challenger', 'previous'),
        to: fc.constantFrom('1.0.0', '1.0.1', '1.1.0', null),
        atMs: fc.nat(60),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(moves, (tried) => {
        let history: readonly AliasPeriod[] = [];
        const done: typeof tried = [];
        for (const one of tried) {
          try {
            history = moveAlias(history, one);
            done.push(one);
          } catch {
            // Refused: the history stays as it was.
          }
        }
        for (let atMs = 0; atMs <= 60; atMs += 1) {
          for (const alias of ['champion', 'challenger', 'previous'] as const) {
            const holders = history.filter(
              (period) => period.alias === alias && period.fromMs <= atMs && (period.toMs === null || atMs < period.toMs),
            );
            expect(holders.length).toBeLessThanOrEqual(1);
          }
        }
        const last = done.filter((one) => one.alias === 'champion').at(-1);
        expect(championAt(history, Number.MAX_SAFE_INTEGER)).toBe(last?.to ?? null);
      }),
    );
  });
});
