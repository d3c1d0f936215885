import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { murmur3 } from '../../domain/murmur3.js';
import { bucketOf, pickVariant } from '../../domain/routing.js';

describe('MurmurHash3', () => {
  // Published test vectors of the x86 32-bit form.
  test.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['aa', 0x9747b28c, 0x5d211726],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['abc', 0, 0xb3dd93fa],
    ['test', 0, 0xba6bd213],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['ππππππππ', 0x9747b28c, 0xd58063c1],
  ])('%s with seed %i', (text, seed, hash) => {
    expect(murmur3(text, seed)).toBe(hash);
  });

  test('hashes UTF-8 of any text as bytes', () => {
    expect(murmur3('🚲')).toBe(murmur3('\u{1f6b2}'));
    expect(murmur3('\ud83d')).not.toBe(murmur3('\ud83e'));
  });
});

const two = (share: number) => [
  { version: '1.0.0', weight: 1 - share },
  { version: '1.0.1', weight: share },
];
const shareOf = fc.integer({ min: 0, max: 10_000 }).map((part) => part / 10_000);

describe('picking a variant', () => {
  test('a key stays with its variant, and growing the challenger never moves its callers back', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.tuple(shareOf, shareOf), (salt, key, shares) => {
        const [small, large] = [Math.min(...shares), Math.max(...shares)];
        const before = pickVariant({ variants: two(small), salt, key });
        expect(pickVariant({ variants: two(small), salt, key })).toBe(before);
        if (before === '1.0.1') expect(pickVariant({ variants: two(large), salt, key })).toBe('1.0.1');
      }),
      { numRuns: 1000 },
    );
  });

  test('shares are what the weights say', () => {
    for (const share of [0.05, 0.1, 0.25, 0.5]) {
      let challenger = 0;
      for (let caller = 0; caller < 20_000; caller += 1)
        if (pickVariant({ variants: two(share), salt: 'exp-1', key: `user-${caller}` }) === '1.0.1') challenger += 1;
      expect(Math.abs(challenger / 20_000 - share)).toBeLessThan(0.01);
    }
  });

  test('another salt deals the callers anew', () => {
    const keys = Array.from({ length: 2000 }, (_, caller) => `user-${caller}`);
    const chosen = (salt: string) => keys.filter((key) => pickVariant({ variants: two(0.1), salt, key }) === '1.0.1');
    const both = chosen('a').filter((key) => chosen('b').includes(key));
    expect(both.length / keys.length).toBeLessThan(0.03);
  });

  test('a random number in [0, 1) takes the place of a key', () => {
    expect(pickVariant({ variants: two(0.05), salt: 's', key: 0 })).toBe('1.0.0');
    expect(pickVariant({ variants: two(0.05), salt: 's', key: 0.9499 })).toBe('1.0.0');
    expect(pickVariant({ variants: two(0.05), salt: 's', key: 0.95 })).toBe('1.0.1');
    expect(pickVariant({ variants: two(0.05), salt: 's', key: 0.999999 })).toBe('1.0.1');
  });

  test('the ends: nobody meets a share of 0, everybody one of 1', () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        expect(pickVariant({ variants: two(0), salt: 's', key })).toBe('1.0.0');
        expect(pickVariant({ variants: two(1), salt: 's', key })).toBe('1.0.1');
      }),
    );
  });

  test('weights that do not quite sum to 1 leave nobody without an answer', () => {
    const thirds = ['a', 'b', 'c'].map((version) => ({ version, weight: 0.333 }));
    expect(pickVariant({ variants: thirds, salt: 's', key: 0.99999 })).toBe('c');
    expect(pickVariant({ variants: [...thirds, { version: 'd', weight: 0 }], salt: 's', key: 0.99999 })).toBe('c');
    expect(() => pickVariant({ variants: two(0).slice(1), salt: 's', key: 'k' })).toThrow(/Promote or roll back/);
    expect(() => pickVariant({ variants: [{ version: 'a', weight: NaN }], salt: 's', key: 'k' })).toThrow(/No variant/);
  });

  test('buckets cover 0 to 9,999', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (salt, key) => bucketOf(salt, key) >= 0 && bucketOf(salt, key) < 10_000));
  });
});
