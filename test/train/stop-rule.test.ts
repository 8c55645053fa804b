import { describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { train } from '../../lib/train/index.js';
import type { EvaluationRecord, TrainOptions } from '../../lib/train/index.js';
import { bestEvaluation, ruleThatStops } from '../../lib/train/stop-rule.js';
import { LinearAgent } from '../support/linear-agent.js';
import { PointEnvironment } from '../support/point-environment.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();

const evaluations = (means: number[]) =>
  means.map((mean, i) => ({ step: 10 * i, mean }) as EvaluationRecord);

describe('what ends a run early', () => {
  test('the best evaluation is the first of the best', () => {
    expect(bestEvaluation([])).toBeUndefined();
    expect(bestEvaluation(evaluations([1, 3, 3, 2]))?.step).toBe(10);
  });

  test.each<[number[], { stopAtReturn?: number; patience?: number }, string | undefined]>([
    [[], { stopAtReturn: 0, patience: 1 }, undefined],
    [[1, 2], {}, undefined],
    [[1, 2], { stopAtReturn: 2 }, 'return'],
    [[2, 1], { stopAtReturn: 2 }, undefined],
    [[1, 2, 2], { patience: 1 }, 'patience'],
    [[1, 2, 1.9], { patience: 2 }, undefined],
    [[1, 2, 1.9, 2], { patience: 2 }, 'patience'],
    [[1, 2, 1.9, 2.1], { patience: 2 }, undefined],
    [[5, 1, 1, 1], { stopAtReturn: 1, patience: 3 }, 'return'],
  ])('after %j with %j: %s', (means, rule, expected) => {
    expect(ruleThatStops(rule, evaluations(means))).toBe(expected);
  });

  const run = (changes: Partial<TrainOptions>): TrainOptions => ({
    env: new PointEnvironment(),
    evalEnv: new PointEnvironment(),
    agent: new LinearAgent(),
    steps: 400,
    evalInterval: 20,
    evalEpisodes: 2,
    ...changes,
    ...(changes.resume === undefined && { out: changes.out ?? join(newFolder(), 'run') }),
  });

  test('a run ends at the first evaluation that is good enough', async () => {
    const whole = await train(run({}));
    const wanted = whole.evaluations[3]!.mean;
    const first = whole.evaluations.find(({ mean }) => mean >= wanted)!;
    const { steps, finished, stopReason, finalEvaluation } = await train(
      run({ stopAtReturn: wanted }),
    );
    expect({ steps, finished, stopReason }).toEqual({
      steps: first.step,
      finished: true,
      stopReason: 'return',
    });
    expect(finalEvaluation?.returns).toEqual(first.returns);
  });

  test('or once it gets no better, and goes on where the rule is given up', async () => {
    const whole = await train(run({}));
    const stopped = await train(run({ patience: 2 }));
    expect(stopped).toMatchObject({ finished: true, stopReason: 'patience' });
    expect(stopped.steps).toBeLessThan(400);
    const rest = await train(run({ resume: stopped.folder }));
    expect(rest.evaluations.map(({ returns }) => returns)).toEqual(
      whole.evaluations.map(({ returns }) => returns),
    );
  });
});
