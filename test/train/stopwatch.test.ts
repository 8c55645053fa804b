import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { Stopwatch } from '../../lib/train/stopwatch.js';

describe('Stopwatch', () => {
  test('counts evaluations apart from training, also one that fails', async () => {
    const watch = new Stopwatch(0, 0);
    await watch.evaluation(() => setTimeout(60));
    const failing = watch.evaluation(async () => {
      await setTimeout(60);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    const { trainSeconds, wallSeconds, evaluationSeconds } = watch;
    // Timers may fire a millisecond early.
    expect(evaluationSeconds).toBeGreaterThan(0.115);
    expect(evaluationSeconds).toBeCloseTo(wallSeconds - trainSeconds, 3);
  });

  test('knows how long the latest evaluation took', async () => {
    const watch = new Stopwatch(0, 0);
    expect(watch.lastEvaluation).toBeUndefined();
    await watch.evaluation(() => setTimeout(100));
    await watch.evaluation(() => setTimeout(20));
    expect(watch.lastEvaluation).toBeGreaterThan(0.018);
    expect(watch.evaluationSeconds - (watch.lastEvaluation ?? 0)).toBeGreaterThan(0.098);
  });

  test('what comes after training is not counted as training', async () => {
    const watch = new Stopwatch(0, 0);
    watch.endTraining();
    const { trainSeconds } = watch;
    await setTimeout(20);
    await watch.evaluation(() => setTimeout(20));
    expect(watch.trainSeconds).toBe(trainSeconds);
    expect(watch.wallSeconds).toBeGreaterThan(0.035);
  });

  test('a phase has a speed of its own, known when enough of it has passed', async () => {
    const watch = new Stopwatch(0, 0);
    await setTimeout(600);
    const fast = watch.rates(600_000, 0).steps;
    expect(watch.current).toBe(true);
    watch.beginPhase(600_000, 0);
    expect(watch.rates(600_001, 1).steps).toBe(fast);
    expect(watch.current).toBe(false);
    await setTimeout(600);
    expect(watch.rates(600_060, 60).steps).toBeLessThanOrEqual(60 / 0.59);
    expect(watch.current).toBe(true);
  });

  test('speed is that of training since it began, with what was done before left out', async () => {
    const watch = new Stopwatch(1000, 500);
    await setTimeout(600);
    await watch.evaluation(() => setTimeout(100));
    const before = watch.trainSeconds;
    const rates = watch.rates(1300, 650);
    expect(rates.steps).toBeLessThanOrEqual(300 / before);
    expect(rates.steps).toBeGreaterThan(300 / (watch.trainSeconds + 0.001));
    expect(rates.updates).toBeCloseTo(rates.steps / 2, 6);
  });
});
