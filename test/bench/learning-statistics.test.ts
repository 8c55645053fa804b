import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';

type Scores = number[][];
type Statistic = (scores: Scores, others: Scores) => number;
interface Interval {
  value: number;
  low: number;
  high: number;
}

const { interquartileMean, mean, normalizedIqm, probabilityOfImprovement, withInterval } =
  (await import('../../bench/learning/statistics.mjs' as string)) as {
    interquartileMean: (values: number[]) => number;
    mean: (values: number[]) => number;
    normalizedIqm: Statistic;
    probabilityOfImprovement: Statistic;
    withInterval: (
      statistic: Statistic,
      scores: Scores,
      others: Scores,
      options?: { resamples?: number; seed?: number },
    ) => Interval;
  };

interface Run {
  steps: number;
  curve: { steps: number[]; returns: number[] };
}
interface Point {
  step: number;
  value: number;
}
type Settings = Record<string, number>;

const { lastReturn, scoreOf, secondsAt, smoothCurve, stepAt, stepOfReaching } = (await import(
  '../../bench/learning/curves.mjs' as string
)) as {
  lastReturn: (run: Run) => number;
  scoreOf: (run: Run, upTo?: number) => number;
  secondsAt: (step: number, settings: Settings, secondsPerStep: number) => number;
  smoothCurve: (runs: Run[]) => Point[];
  stepAt: (seconds: number, settings: Settings, secondsPerStep: number) => number;
  stepOfReaching: (level: number, curve: Point[]) => number;
};

const fixture = new URL('../fixtures/learning-statistics/expected.json', import.meta.url);
const expected = JSON.parse(readFileSync(fixture, 'utf8')) as {
  interquartileMeans: { values: number[]; mean: number }[];
  sparse: Scores;
  dense: Scores;
  probabilityByTask: number[];
  normalizedIqm: Interval & { error: number };
  probabilityOfImprovement: Interval & { error: number };
};
const { sparse, dense } = expected;

describe('statistics', () => {
  test('interquartile means are those of scipy', () => {
    for (const { values, mean: value } of expected.interquartileMeans) {
      expect(interquartileMean(values)).toBeCloseTo(value, 10);
    }
  });

  test('values are as numpy computes them', () => {
    expect(normalizedIqm(sparse, dense)).toBeCloseTo(expected.normalizedIqm.value, 12);
    const { value } = expected.probabilityOfImprovement;
    expect(probabilityOfImprovement(sparse, dense)).toBeCloseTo(value, 12);
    sparse.forEach((scores, task) => {
      const byTask = probabilityOfImprovement([scores], [dense[task]!]);
      expect(byTask).toBeCloseTo(expected.probabilityByTask[task]!, 12);
    });
  });

  test.each([
    ['normalizedIqm', normalizedIqm],
    ['probabilityOfImprovement', probabilityOfImprovement],
  ] as const)('the interval of %s is that of scipy', (name, statistic) => {
    const { low, high, error } = expected[name];
    const interval = withInterval(statistic, sparse, dense, { resamples: 20_000, seed: 5 });
    // An end of the interval has an error of about 0.02 standard errors with so many resamples.
    expect(Math.abs(interval.low - low)).toBeLessThan(0.08 * error);
    expect(Math.abs(interval.high - high)).toBeLessThan(0.08 * error);
    expect(interval.value).toBe(statistic(sparse, dense));
  });

  test('the same seed gives the same interval, another seed nearly so', () => {
    const interval = (seed: number) =>
      withInterval(normalizedIqm, sparse, dense, { resamples: 2000, seed });
    expect(interval(1)).toEqual(interval(1));
    expect(interval(1)).not.toEqual(interval(2));
  });

  test('what is compared with itself is no better and no worse', () => {
    const { value, low, high } = withInterval(probabilityOfImprovement, dense, dense);
    expect(value).toBe(0.5);
    expect(low).toBeLessThan(0.5);
    expect(high).toBeGreaterThan(0.5);
  });

  test('no score is left out in silence', () => {
    for (const bad of [[], [1, 2, 3, NaN], [Infinity]]) {
      expect(() => mean(bad)).toThrow(/finite/);
      expect(() => interquartileMean(bad)).toThrow(/finite/);
      expect(() => probabilityOfImprovement([bad], [[1]])).toThrow(/finite/);
      expect(() => normalizedIqm([[1]], [bad])).toThrow(/finite/);
    }
    expect(() => normalizedIqm([[1]], [[-1]])).toThrow(/positive/);
    expect(() => normalizedIqm([[1]], [[1], [2]])).toThrow(/tasks/);
    expect(() => probabilityOfImprovement([[1]], [])).toThrow(/tasks/);
  });
});

describe('curves', () => {
  /** A run with an evaluation every 10,000 steps. */
  const runOf = (returns: number[]): Run => {
    const steps = returns.map((_, i) => 10_000 * (i + 1));
    return { steps: steps.at(-1)!, curve: { steps, returns } };
  };
  const line = (count: number): Run => runOf(Array.from({ length: count }, (_, i) => i + 1));

  test('a score is the mean of the last sixth, and of three evaluations at least', () => {
    expect(scoreOf(line(30))).toBe(28);
    expect(scoreOf(line(10))).toBe(9);
    expect(scoreOf(line(2))).toBe(1.5);
    expect(lastReturn(line(30))).toBe(30);
  });

  test('a score at a step looks back over as many evaluations', () => {
    expect(scoreOf(line(30), 204_000)).toBe(18);
    expect(scoreOf(line(30), 20_000)).toBe(1.5);
    expect(scoreOf(line(30), 1e9)).toBe(28);
    expect(scoreOf(line(30), 9_999)).toBeNaN();
  });

  test('a smooth curve ends at the mean of scores', () => {
    const runs = [line(30), runOf(Array.from({ length: 30 }, (_, i) => (i % 7) - 3))];
    const curve = smoothCurve(runs);
    expect(curve).toHaveLength(26);
    expect(curve[0]).toEqual({ step: 50_000, value: (3 + (0 - 3 - 2 - 1 + 0 + 1) / 5) / 2 });
    expect(curve.at(-1)!.value).toBeCloseTo((scoreOf(runs[0]!) + scoreOf(runs[1]!)) / 2, 12);
  });

  test('a level is reached between two points, at the first, or never', () => {
    const curve = smoothCurve([line(30)]);
    expect(stepOfReaching(3.25, curve)).toBe(52_500);
    expect(stepOfReaching(2, curve)).toBe(50_000);
    expect(stepOfReaching(28, curve)).toBe(300_000);
    expect(stepOfReaching(28.1, curve)).toBe(Infinity);
  });

  test('warm-up takes no time; seconds and steps are each other reversed', () => {
    expect(secondsAt(300_000, {}, 0.01)).toBe(2900);
    expect(secondsAt(300_000, { 'learning-starts': 100_000 }, 0.01)).toBe(2000);
    expect(secondsAt(5000, {}, 0.01)).toBe(0);
    expect(stepAt(secondsAt(123_456, {}, 0.01), {}, 0.01)).toBeCloseTo(123_456, 6);
  });
});
