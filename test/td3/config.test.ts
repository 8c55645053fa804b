import { describe, expect, test } from '@jest/globals';
import { listOptions } from '../../lib/options.js';
import {
  agentConfigSchema,
  compileSchedules,
  hyperparameterSchema,
  resolveConfig,
} from '../../lib/td3/config.js';
import { parsePattern } from '../../lib/td3/pattern.js';

const spaces = { observationSize: 3, actionSize: 2, actionLow: -1, actionHigh: 1 };
const resolve = (options: object) => () => resolveConfig({ ...spaces, ...options });

describe('resolveConfig', () => {
  test('fills in the defaults', () => {
    const config = resolveConfig(spaces);
    const derived = {
      actorLearningRate: 3e-4,
      criticLearningRate: 3e-4,
      actorSparsity: '1:4',
      criticSparsity: '1:4',
      targetMask: 'project',
    };
    expect(config).toMatchObject(derived);
    expect(config).toEqual({
      observationSize: 3,
      actionSize: 2,
      actionLow: [-1, -1],
      actionHigh: [1, 1],
      hiddenSizes: [256, 256],
      batchSize: 256,
      gamma: 0.99,
      nSteps: 1,
      tau: 0.005,
      policyDelay: 2,
      policyNoise: 0.2,
      precision: 'fp32',
      noiseClip: 0.5,
      explorationNoise: 0.1,
      learningRate: 3e-4,
      adamBeta1: 0.9,
      adamBeta2: 0.999,
      adamEpsilon: 1e-8,
      bufferSize: 1_000_000,
      learningStarts: 10_000,
      normalizeObservations: false,
      sparsity: '1:4',
      sparseLayers: 'all-but-last',
      densityPower: 0.5,
      initialScale: 'dense',
      maskShape: 'row',
      dataGradient: 'dense',
      weightGradient: 'auto',
      sparse: 'auto',
      gradientRule: 'masked',
      srLambda: 2e-4,
      maskInterval: 1000,
      maskRule: 'magnitude',
      dropFraction: 0.3,
      dormantDecay: 1,
      newMoment: 'zero',
      seed: 0,
      device: 'auto',
      threads: 0,
    });
  });

  test('resolving what was resolved, and saved as JSON, changes nothing', () => {
    const config = resolveConfig({
      ...spaces,
      actionLow: new Float32Array([-1, -0.4]),
      actionHigh: [1, 0.4],
      criticSparsity: '2:4',
      sparsity: 'dense',
      learningRate: '3e-4 * 0.5 ^ (t / 1e5)',
      actorLearningRate: 1e-4,
      maskRule: 'gradient',
    });
    expect(config).toMatchObject({ actorSparsity: 'dense', criticSparsity: '2:4' });
    expect(config).toMatchObject({
      actorLearningRate: 1e-4,
      criticLearningRate: config.learningRate,
      targetMask: 'follow',
    });
    expect(config.actionLow).toEqual([-1, Math.fround(-0.4)]);
    expect(resolveConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  test.each<[object, object]>([
    [{ sparsity: '2:4' }, { actorSparsity: '2:4', criticSparsity: '2:4' }],
    [{ learningRate: 1e-3 }, { actorLearningRate: 1e-3, criticLearningRate: 1e-3 }],
    [{ learningRate: '1e-4 * t' }, { actorLearningRate: '1e-4 * t' }],
    [{ maskRule: 'random' }, { targetMask: 'follow' }],
    [
      { sparsity: '2:4', actorSparsity: '1:4' },
      { actorSparsity: '1:4', criticSparsity: '2:4' },
    ],
  ])('of a copy with %j the given value wins, and the others follow it', (given, expected) => {
    const config = resolveConfig(spaces);
    const saved = JSON.parse(JSON.stringify(config)) as typeof config;
    for (const copy of [config, saved]) {
      expect(resolveConfig({ ...copy, ...given })).toMatchObject({ ...given, ...expected });
    }
  });

  test('what was chosen stays in a copy, also where it is what would follow anyway', () => {
    const chosen = {
      actorSparsity: '1:4',
      criticLearningRate: 3e-4,
      targetMask: 'project',
    } as const;
    const copy = { ...resolveConfig({ ...spaces, ...chosen }) };
    expect(resolveConfig({ ...copy, sparsity: '2:4', learningRate: 1e-3 })).toMatchObject(chosen);
  });

  test('transposable masks go with N:4 and with dense networks', () => {
    const maskShape = 'transposable';
    for (const sparsity of ['1:4', '2:4', '3:4', '4:4', 'dense']) {
      expect(resolveConfig({ ...spaces, maskShape, sparsity })).toMatchObject({ maskShape });
    }
    // Nobody takes the pattern for both networks where each has its own.
    const own = { sparsity: '1:8', actorSparsity: '2:4', criticSparsity: 'dense' };
    expect(resolveConfig({ ...spaces, maskShape, ...own })).toMatchObject(own);
  });

  test('defaults are not shared between configs', () => {
    resolveConfig(spaces).hiddenSizes.push(1);
    expect(resolveConfig(spaces).hiddenSizes).toEqual([256, 256]);
  });

  test('undefined counts as not given', () => {
    expect(resolveConfig({ ...spaces, batchSize: undefined, actorSparsity: undefined })).toEqual(
      resolveConfig(spaces),
    );
  });

  test.each<[object, string]>([
    [{ batchSize: -3 }, 'batchSize to be a positive integer but received -3 of type number'],
    [{ batchSize: '64' }, 'batchSize to be a positive integer but received "64"'],
    [{ batchSize: 2 ** 31 }, 'batchSize to be at most 2147483647 but received 2147483648'],
    [{ bufferSize: 1e13 }, 'bufferSize to be at most 4294967295 but received 10000000000000'],
    [{ batchSize: null }, 'batchSize to be a positive integer but received null'],
    [{ learningStarts: 0.5 }, 'learningStarts to be a non-negative integer but received 0.5'],
    [{ gamma: 1.01 }, 'gamma to be a number from 0 to 1 but received 1.01'],
    [{ nSteps: 0 }, 'nSteps to be a positive integer but received 0'],
    [{ nSteps: 2.5 }, 'nSteps to be a positive integer but received 2.5'],
    [{ nSteps: 1001 }, 'nSteps to be at most 1000 but received 1001'],
    [{ tau: NaN }, 'tau to be a number from 0 to 1 but received NaN'],
    [{ adamBeta1: 1 }, 'adamBeta1 to be a number from 0 to below 1 but received 1'],
    [{ adamEpsilon: 0 }, 'adamEpsilon to be a number above 0, also in float32, but received 0'],
    [
      { adamEpsilon: 1e-50 },
      'adamEpsilon to be a number above 0, also in float32, but received 1e-50',
    ],
    [
      { adamEpsilon: 1e39 },
      'adamEpsilon to be a number above 0, also in float32, but received 1e+39',
    ],
    [{ policyNoise: 1e39 }, 'policyNoise to be a number of at least 0 that float32 can hold but'],
    [
      { srLambda: -1 },
      'srLambda to be a number of at least 0 that float32 can hold but received -1',
    ],
    [{ seed: 2 ** 32 }, 'seed to be an integer from 0 to 4294967295 but received 4294967296'],
    [{ hiddenSizes: [64, 0] }, 'hiddenSizes[1] to be an integer from 1 to 65535 but received 0'],
    [
      { hiddenSizes: [99999] },
      'hiddenSizes[0] to be an integer from 1 to 65535 but received 99999',
    ],
    [{ observationSize: 65534 }, 'observationSize to be at most 65533 with 2 actions but received'],
    [{ actionSize: 65535, actionLow: -1 }, 'actionSize to be below 65535 but received 65535'],
    [{ hiddenSizes: [] }, 'hiddenSizes to be a list of positive integers, one per hidden layer'],
    [{ hiddenSizes: 64 }, 'hiddenSizes to be a list of positive integers, one per hidden layer'],
    [{ gradientRule: 'str' }, 'gradientRule to be one of "masked", "ste", "sr-ste" but received'],
    [{ sparsity: '5:4' }, 'sparsity to be "dense" or a pattern N:M with 1 <= N <= M <= 32 but rec'],
    [
      { sparsity: [1] },
      'sparsity to be "dense" or a pattern N:M with 1 <= N <= M <= 32, or a list',
    ],
    [
      { maskShape: 'transposable', sparsity: '1:8' },
      'sparsity to be N:4 under maskShape "transposable" but received "1:8". Transposable masks',
    ],
    [
      { maskShape: 'transposable', criticSparsity: '4:8' },
      'criticSparsity to be N:4 under maskShape "transposable" but received "4:8"',
    ],
    [
      { dataGradient: 'transposable' },
      'dataGradient to be "dense" or "double-pruned" under maskShape "row" but received "transposable"',
    ],
    [
      { dataGradient: 'sparse' },
      'dataGradient to be one of "dense", "transposable", "double-pruned" but',
    ],
    [
      { sparsity: 'dense,1:8' },
      'sparsity to be one pattern, or 3 with commas between them, one for each layer, but received',
    ],
    [
      { criticSparsity: ['dense', '1:40', 'dense'] },
      'layer 2 of criticSparsity to be "dense" or a pattern N:M with 1 <= N <= M <= 32 but received "1:40"',
    ],
    [
      { actorSparsity: '2:4,1:8,dense', maskShape: 'transposable' },
      'actorSparsity to be N:4 under maskShape "transposable" but received',
    ],
    [{ sparseLayers: 'last' }, 'sparseLayers to be one of "all-but-last", "all", "hidden", "by-'],
    [{ densityPower: -1 }, 'densityPower to be a number from 0 to 2 but received -1'],
    [
      { dropFraction: 1.5 },
      'dropFraction to be a finite number from 0 to 1, or an expression of t',
    ],
    [{ actorLearningRate: 'x' }, 'actorLearningRate to be a number or an expression of t (the na'],
    [{ dormantDecay: 1.1 }, 'dormantDecay to be a number from 0 to 1 but received 1.1'],
    [
      { maskRule: 'gradient', targetMask: 'project' },
      'targetMask to be "follow" under maskRule "gradient" but received "project". Or leave it out',
    ],
    [{ maskShape: 'both' }, 'maskShape to be one of "row", "transposable" but received "both"'],
    [{ actorSparsity: 4 }, 'actorSparsity to be "dense" or a pattern N:M with 1 <= N <= M <= 32'],
    [{ explorationNoise: -1 }, 'explorationNoise to be a finite number of at least 0, or an expr'],
    [{ explorationNoise: [1] }, 'explorationNoise to be a number or an expression of t but recei'],
    [{ learningRate: 1000 }, 'learningRate to be a finite number from 0 to 1, or an expression'],
    [{ learningRate: 'exp(x)' }, 'learningRate to be a number or an expression of t (the name x'],
    [{ maskInterval: 0 }, 'maskInterval to be an integer of at least 1, or an expression of t'],
    [{ observationSize: undefined }, 'observationSize to be a positive integer but received undef'],
    [{ actionLow: [-1] }, 'actionLow to be a number or an array of length 2 (actionSize) but rec'],
    [{ actionLow: [-1, NaN] }, 'actionLow to be a finite number or an array of actionSize finite'],
    [{ actionLow: -1e39 }, 'actionLow to be a finite number or an array of actionSize finite num'],
    [{ actionHigh: [1, 1e39] }, 'actionHigh to be a finite number or an array of actionSize fini'],
    [
      { actionLow: 1, actionHigh: 1 + 1e-12 },
      'actionHigh[0] to be at a distance in float32 from actionLow[0] (1) but received 1.000000000001',
    ],
    [
      { actionLow: -3e38, actionHigh: 3e38 },
      'actionHigh[0] to be at a distance in float32 from actionLow[0] (-3e+38) but received 3e+38',
    ],
    [{ actionHigh: [1, -1] }, 'actionHigh[1] to be greater than actionLow[1] (-1) but received -1'],
  ])('%p', (options, message) => {
    expect(resolve(options)).toThrow(`Expected ${message}`);
  });

  test('an unknown key is named, with the nearest known one', () => {
    expect(resolve({ learning_rat: 1 })).toThrow(
      'Expected an option name to be a known one but received "learning_rat". ' +
        'Did you mean learningRate?',
    );
    expect(resolve({ zzzzzzzzz: 1 })).toThrow('Known are observationSize, actionSize,');
  });

  test.each([[undefined], [null], [3], ['x']])('%p is not an object of options', (options) => {
    expect(() => resolveConfig(options as never)).toThrow('Expected the options to be an object');
  });
});

test('every option has a one-line meaning, and every hyperparameter a group', () => {
  const options = listOptions(agentConfigSchema);
  expect(options.filter((o) => !/^[A-Z].*\.$/.test(o.description))).toEqual([]);
  expect(options.filter((o) => o.description.length > 100)).toEqual([]);
  expect(listOptions(hyperparameterSchema).filter((o) => o.group === undefined)).toEqual([]);
});

test('schedules are compiled with the ranges of their options', () => {
  const schedules = compileSchedules(
    resolveConfig({ ...spaces, explorationNoise: '0.5 - t', maskInterval: '10.4 + t' }),
  );
  expect(schedules.maskInterval.at(1)).toBe(11);
  expect(schedules.learningRate).toMatchObject({ constant: true, source: 3e-4 });
  expect(() => schedules.explorationNoise.at(1)).toThrow('at t = 1 to be a finite number of at le');
});

describe('parsePattern', () => {
  test('numbers, or null for dense', () => {
    expect(parsePattern('sparsity', '2:4')).toEqual({ n: 2, m: 4 });
    expect(parsePattern('sparsity', '32:32')).toEqual({ n: 32, m: 32 });
    expect(parsePattern('sparsity', 'dense')).toBeNull();
  });

  test.each(['', '0:4', '5:4', '1:33', '1-4', '1:4:8', '-1:4', '1.5:4', ':4', null, 4])(
    '%p is no pattern',
    (value) => {
      expect(() => parsePattern('sparsity', value)).toThrow(
        'Expected sparsity to be "dense" or a pattern N:M with 1 <= N <= M <= 32 but received',
      );
    },
  );
});
