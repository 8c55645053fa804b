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
    const { trainSeconds, wallSeconds, secondsPerEvaluation } = watch;
    // Timers may fire a millisecond early.
    expect(wallSeconds - trainSeconds).toBeGreaterThan(0.115);
    expect(secondsPerEvaluation).toBeCloseTo((wallSeconds - trainSeconds) / 2, 3);
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
