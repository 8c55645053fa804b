import { describe, expect, test } from '@jest/globals';
import { InvalidValueError } from '../lib/errors.js';
import { Random } from '../lib/random.js';

function draw(count: number, next: () => number): number[] {
  return Array.from({ length: count }, next);
}

/** Mean, variance and fourth moment over the variance squared (3 if normal, 1.8 if uniform). */
function moments(values: readonly number[]): { mean: number; variance: number; kurtosis: number } {
  const average = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0) / of.length;
  const mean = average(values);
  const variance = average(values.map((value) => (value - mean) ** 2));
  const kurtosis = average(values.map((value) => (value - mean) ** 4)) / variance ** 2;
  return { mean, variance, kurtosis };
}

describe('Random', () => {
  test('the same seed gives the same numbers, another seed others', () => {
    const numbers = (seed: number): number[] => {
      const random = new Random(seed);
      return draw(20, () => random.uniform());
    };
    expect(numbers(7)).toEqual(numbers(7));
    const firsts = [0, 1, 2, 7, 2 ** 32, 2 ** 32 + 7, Number.MAX_SAFE_INTEGER].map(
      (seed) => numbers(seed)[0],
    );
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  test('the first numbers of neighbouring seeds are spread evenly', () => {
    const firsts = Array.from({ length: 2000 }, (_, seed) => new Random(seed).uniform());
    const { mean, variance } = moments(firsts);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.01);
    const pairs = firsts.slice(1).map((value, i) => (value - 0.5) * (firsts[i]! - 0.5));
    expect(Math.abs(moments(pairs).mean)).toBeLessThan(0.01);
  });

  test('uniform covers its range evenly', () => {
    const random = new Random(1);
    const values = draw(20_000, () => random.uniform(-3, 5));
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-3);
    expect(Math.max(...values)).toBeLessThan(5);
    const { mean, variance, kurtosis } = moments(values);
    expect(Math.abs(mean - 1)).toBeLessThan(0.1);
    expect(Math.abs(variance - 64 / 12)).toBeLessThan(0.15);
    expect(Math.abs(kurtosis - 1.8)).toBeLessThan(0.05);
  });

  test('normal has mean 0, deviation 1 and tails', () => {
    const random = new Random(2);
    const { mean, variance, kurtosis } = moments(draw(40_000, () => random.normal()));
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.03);
    expect(Math.abs(kurtosis - 3)).toBeLessThan(0.15);
  });

  test('integer reaches both ends and nothing beyond', () => {
    const random = new Random(3);
    const values = draw(500, () => random.integer(-2, 2));
    expect([...new Set(values)].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
  });

  test('goes on from a saved state, the second normal of a pair included', () => {
    const random = new Random(4);
    random.normal();
    const copy = Random.fromState(JSON.parse(JSON.stringify(random.state())));
    const next = (source: Random): number[] => [source.normal(), source.normal(), source.uniform()];
    expect(next(copy)).toEqual(next(random));
  });

  test.each([-1, 0.5, NaN, 2 ** 53, '1', undefined])('refuses the seed %p', (seed) => {
    expect(() => new Random(seed as number)).toThrow(InvalidValueError);
  });

  test.each([
    undefined,
    { words: [1, 2, 3], spareNormal: null },
    { words: [0, 0, 0, 0], spareNormal: null },
    { words: [1, 2, 3, 0.5], spareNormal: null },
    { words: [1, 2, 3, 4], spareNormal: NaN },
  ])('refuses the state %j', (state) => {
    expect(() => Random.fromState(state as never)).toThrow(InvalidValueError);
  });

  test('streams of one seed are independent: the next one is not a shifted or scaled copy', () => {
    const draw = (stream: number) => {
      const random = new Random(3, stream);
      return Array.from({ length: 2000 }, () => random.uniform(-1, 1));
    };
    const [a, b, c] = [draw(0), draw(1), draw(2)];
    expect(draw(1)).toEqual(b);
    const correlation = (x: number[], y: number[]) =>
      x.reduce((sum, value, i) => sum + 3 * value * (y[i] ?? 0), 0) / x.length;
    for (const [x, y] of [
      [a, b],
      [a, c],
      [b, c],
    ] as const) {
      expect(new Set([...x, ...y]).size).toBe(4000);
      expect(Math.abs(correlation(x, y))).toBeLessThan(0.12);
    }
    expect(() => new Random(3, -1)).toThrow(/stream/);
  });
});
