/** The conformance suite of networks: a device's every variant against the plain reference. */
import { describe, expect, test } from '@jest/globals';
import { Device } from '../../lib/device/index.js';
import type { LayerPart, Mlp, MlpOptions } from '../../lib/device/index.js';
import { adamStep, backward, deviation, forward, projectMask, randomFloats } from './reference.js';
import type { ReferenceNetwork } from './reference.js';
import { batches, makePair, onCpu, shapes, testDevice, variants } from './support.js';

/** Float32 sums of a few hundred terms of order one. */
const tolerance = 2e-5;

function rangeOf(size: number) {
  return {
    low: Float32Array.from({ length: size }, (_, i) => -1 - 0.5 * i),
    high: Float32Array.from({ length: size }, (_, i) => 0.5 + i),
  };
}

/** Outputs of all members side by side, [rows, members * outputs]. */
function expectedOutput(references: ReferenceNetwork[], x: Float32Array, inputs: number) {
  const rows = x.length / inputs;
  return Array.from({ length: rows }, (_, b) =>
    references.flatMap((net) => [
      ...forward(net, x.subarray(b * inputs, b * inputs + inputs)).at(-1)!,
    ]),
  ).flat();
}

function checkForward(device: Device, options: MlpOptions, rows: number, seed: number): void {
  const [inputs, outputs] = [options.sizes[0]!, options.sizes.at(-1)!];
  const { mlp, references } = makePair(device, { ...options, members: 2 }, seed);
  const x = randomFloats(rows * inputs, 7 + rows);
  const input = device.matrix(rows, inputs);
  input.set(x);
  const expected = expectedOutput(references, x, inputs);
  for (const keep of [false, true]) {
    const output = device.matrix(rows, 2 * outputs);
    device.fill(output, NaN);
    mlp.forward(input, output, { keep });
    expect(deviation(output.get(), expected)).toBeLessThan(tolerance);
  }
}

for (const [variant, variantOptions] of variants) {
  describe(`networks on ${variant}`, () => {
    const device = new Device({ ...variantOptions, threads: 2 });

    test.each(['2:4', '1:4', '1:8', '3:7'])('forward, wide inputs, %s', (name) => {
      const [n, m] = name.split(':').map(Number);
      const patterns = Array(2).fill({ n, m });
      for (const inputs of [300, 777])
        checkForward(device, { sizes: [inputs, 37, 3], patterns }, 33, 3);
    });

    for (const [index, shape] of shapes.entries()) {
      const { sizes, patterns } = shape;
      const outputs = sizes.at(-1)!;

      test.each(batches)(`forward, ${shape.name}, batch %i`, (rows) => {
        const options: MlpOptions = { sizes, patterns };
        checkForward(device, options, rows, index + 1);
        checkForward(device, { ...options, outputRange: rangeOf(outputs) }, rows, index + 1);
      });

      test.each([1, 33, 256])(`gradients, ${shape.name}, batch %i`, (rows) => {
        for (const rule of ['masked', 'ste'] as const) {
          const options: MlpOptions = { sizes, patterns, members: 2, gradientRule: rule };
          checkGradients(device, { ...options, outputRange: rangeOf(outputs) }, rows, index);
        }
      });
    }

    // Where neither rows (of 16) nor moments (of 8) are padded a GPU takes weights in the order of memory, else by
    // their places.
    test.each([
      ['2:4', [13, 21, 2]],
      ['2:4', [16, 21, 2]],
      ['1:4', [16, 22, 2]],
      ['1:4', [16, 21, 2]],
      ['1:8', [32, 22, 2]],
      ['1:8', [24, 22, 2]],
      ['1:12', [48, 22, 2]],
      ['1:16', [32, 20, 2]],
      ['1:32', [64, 20, 2]],
      ['2:8', [16, 20, 2]],
    ])('Adam, with moments, over five steps, %s of %j', (name, sizes) => {
      const [n, m] = name.split(':').map(Number) as [number, number];
      for (const rule of ['masked', 'ste', 'sr-ste'] as const) {
        for (const densityPower of [0, 1]) {
          const patterns = [{ n, m }, null];
          checkAdam(device, { sizes, patterns, gradientRule: rule, srLambda: 0.1, densityPower });
        }
      }
    });

    test('each layer has the rate of its density', () => {
      const patterns = [{ n: 2, m: 4 }, { n: 1, m: 8 }, { n: 3, m: 3 }, null];
      for (const rule of ['masked', 'ste'] as const) {
        const sizes = [17, 24, 16, 12, 2];
        for (const densityPower of [1, 0.5, -1]) {
          checkAdam(device, { sizes, patterns, gradientRule: rule, densityPower });
        }
      }
    });

    test.each(shapes)('Polyak averages all of W across different masks, $name', (shape) => {
      checkPolyak(device, shape);
    });

    test('NaN in one sample stays in that sample', () => {
      const { sizes, patterns } = shapes[1]!;
      const { mlp } = makePair(device, { sizes, patterns }, 3);
      const [rows, inputs, outputs] = [40, sizes[0]!, sizes.at(-1)!];
      const x = randomFloats(rows * inputs, 5);
      x.fill(NaN, 35 * inputs, 36 * inputs);
      const input = device.matrix(rows, inputs);
      input.set(x);
      const output = device.matrix(rows, outputs);
      mlp.forward(input, output);
      const bad = [...output.get()].map((value, i) =>
        Number.isNaN(value) ? (i / outputs) | 0 : -1,
      );
      // A hidden layer's ReLU on a GPU is a library's, and may make 0 of it.
      expect([-1, 35]).toEqual(expect.arrayContaining([...new Set(bad)]));
      if (onCpu) expect(bad.filter((row) => row === 35)).toHaveLength(outputs);
    });

    test.each(shapes)('the largest weight, also where it is dormant, $name', (shape) => {
      const { sizes, patterns } = shape;
      const { mlp } = makePair(device, { sizes, patterns, members: 2 }, 9);
      const last = sizes.length - 2;
      const largest = (member: number) => {
        const parts = sizes.slice(1).flatMap((_, layer) => {
          return [mlp.read(layer, 'weight', member), mlp.read(layer, 'bias', member)];
        });
        return Math.max(...parts.flatMap((values) => [...values].map(Math.abs)));
      };
      const check = () => {
        for (const member of [0, 1]) expect(mlp.largestWeight(member)).toBe(largest(member));
      };
      check();
      for (const [part, layer] of [
        ['weight', 0],
        ['weight', last],
        ['bias', 0],
        ['bias', last],
      ] as const) {
        const values = mlp.read(layer, part, 1);
        // The first and the last, and one that is dormant if any is.
        const dormant = part === 'weight' ? mlp.read(layer, 'mask', 1).indexOf(0) : -1;
        for (const at of [0, values.length - 1, Math.max(dormant, 0)]) {
          for (const value of [-7.5, Infinity, -Infinity, NaN, -NaN]) {
            mlp.write(layer, part, values.with(at, value), 1);
            check();
          }
        }
        mlp.write(layer, part, values, 1);
      }
      check();
      for (const layer of sizes.slice(1).keys()) {
        for (const part of ['weight', 'bias'] as const) {
          mlp.write(layer, part, new Float32Array(mlp.read(layer, part, 0).length).fill(-0), 0);
        }
      }
      expect(mlp.largestWeight()).toBe(0);
      expect(() => mlp.largestWeight(2)).toThrow(/member/);
    });

    test.each(shapes)('the largest moment, of weights and biases, $name', (shape) => {
      const { sizes, patterns } = shape;
      for (const gradientRule of ['masked', 'ste'] as const) {
        const { mlp } = makePair(device, { sizes, patterns, members: 2, gradientRule }, 9);
        const layers = [0, sizes.length - 2];
        const parts = ['weightMoment1', 'weightMoment2', 'biasMoment1', 'biasMoment2'] as const;
        expect(mlp.largestMoment()).toBe(0);
        for (const [part, layer] of parts.flatMap((each) =>
          layers.map((l) => [each, l] as const),
        )) {
          const zeros = mlp.read(layer, part, 1);
          // Under `masked` only active weights have moments.
          const mask = part.startsWith('weight') ? mlp.read(layer, 'mask', 1) : zeros.map(() => 1);
          for (const at of [mask.indexOf(1), mask.lastIndexOf(1)]) {
            for (const value of [7.5, Infinity, NaN]) {
              mlp.write(layer, part, zeros.with(at, value), 1);
              expect(mlp.largestMoment()).toBe(value);
            }
          }
          mlp.write(layer, part, zeros, 1);
        }
        expect(mlp.largestMoment()).toBe(0);
      }
      const target = device.mlp({ sizes, patterns, role: 'target', seed: 1 });
      expect(target.largestMoment()).toBe(0);
    });
  });
}

function checkGradients(device: Device, options: MlpOptions, rows: number, seed: number): void {
  const [inputs, outputs] = [options.sizes[0]!, options.sizes.at(-1)!];
  const { mlp, references } = makePair(device, options, 40 + seed);
  const x = randomFloats(rows * inputs, 50 + rows);
  const gradient = randomFloats(rows * 2 * outputs, 60 + rows);
  const input = device.matrix(rows, inputs);
  input.set(x);
  const output = device.matrix(rows, 2 * outputs);
  const outputGradient = device.matrix(rows, 2 * outputs);
  outputGradient.set(gradient);
  const first = inputs > 2 ? 2 : 0;
  const inputGradient = device.matrix(rows, inputs - first);
  device.fill(inputGradient, NaN);
  mlp.forward(input, output, { keep: true });
  mlp.backward(outputGradient, { inputGradient, inputFirst: first });

  const sum = new Float64Array(rows * inputs);
  references.forEach((net, member) => {
    const own = gradient.filter((_, i) => ((i / outputs) | 0) % 2 === member);
    const expected = backward(net, x, own, options.gradientRule === 'masked');
    expected.input.forEach((value, i) => (sum[i]! += value));
    net.layers.forEach((_, l) => {
      const scale = Math.max(1, rows / 16);
      const weights = mlp.read(l, 'weightGradient', member).map((g) => g / scale);
      const biases = mlp.read(l, 'biasGradient', member).map((g) => g / scale);
      expect(
        deviation(
          weights,
          expected.weights[l]!.map((g) => g / scale),
        ),
      ).toBeLessThan(tolerance);
      expect(
        deviation(
          biases,
          expected.biases[l]!.map((g) => g / scale),
        ),
      ).toBeLessThan(tolerance);
    });
  });
  const part = sum.filter((_, i) => i % inputs >= first);
  expect(deviation(inputGradient.get(), part)).toBeLessThan(tolerance);
}

const adam = { learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };

function checkAdam(device: Device, options: MlpOptions): void {
  const rule = options.gradientRule;
  const inputs = options.sizes[0]!;
  const { mlp, references } = makePair(device, options, 70);
  const net = references[0]!;
  const stateOf = (w: Float64Array) => {
    return { w, m: new Float64Array(w.length), v: new Float64Array(w.length) };
  };
  const states = net.layers.map((layer) => stateOf(layer.weight));
  const biases = net.layers.map((layer) => stateOf(layer.bias));
  const rates = net.layers.map((_, l) => {
    const { n, m } = options.patterns?.[l] ?? { n: 1, m: 1 };
    return adam.learningRate * (m / n) ** (options.densityPower ?? 0);
  });
  for (let step = 1; step <= 5; step++) {
    const x = randomFloats(20 * inputs, 80 + step);
    const gradient = randomFloats(20 * 2, 90 + step);
    learnOnce(device, mlp, x, gradient);
    const expected = backward(net, x, gradient, rule === 'masked');
    net.layers.forEach((layer, l) => {
      const g = expected.weights[l]!;
      if (rule === 'sr-ste') {
        layer.mask.forEach((active, i) => (g[i]! += active === 1 ? 0 : 0.1 * layer.weight[i]!));
      }
      const active = (i: number) => rule !== 'masked' || layer.mask[i] === 1;
      const before = layer.weight.slice();
      adamStep(states[l]!, g, step, { ...adam, learningRate: rates[l]! });
      adamStep(biases[l]!, expected.biases[l]!, step, adam);
      layer.weight.forEach((_, i) => {
        if (!active(i)) layer.weight[i] = before[i]!;
      });
    });
    net.layers.forEach((layer, l) => {
      const larger = Math.max(1, rates[l]! / adam.learningRate);
      expect(deviation(mlp.read(l, 'weight'), layer.weight)).toBeLessThan(tolerance * larger);
      expect(deviation(mlp.read(l, 'weightMoment1'), states[l]!.m)).toBeLessThan(tolerance);
      expect(deviation(mlp.read(l, 'weightMoment2'), states[l]!.v)).toBeLessThan(tolerance);
      expect(deviation(mlp.read(l, 'bias'), layer.bias)).toBeLessThan(tolerance);
    });
  }
}

/** Online and target network have masks of their own; NaN stays where it is. */
function checkPolyak(device: Device, { sizes, patterns }: (typeof shapes)[number]): void {
  const online = device.mlp({ sizes, patterns, members: 2 });
  const slow = device.mlp({ sizes, patterns, members: 2, role: 'target' });
  const draw = (mlp: Mlp, seed: number) =>
    Array.from({ length: 2 * mlp.layers }, (_, i) => {
      const [l, member] = [i >> 1, i & 1];
      const weight = randomFloats(sizes[l]! * sizes[l + 1]!, seed + i);
      mlp.write(l, 'weight', weight, member);
      mlp.updateMasks();
      return weight;
    });
  const [from, to] = [draw(online, 300), draw(slow, 400)];
  from[0]![0] = NaN;
  online.write(0, 'weight', from[0]!, 0);
  const bias = randomFloats(sizes[1]!, 500);
  online.write(0, 'bias', bias, 1);
  const biasBefore = slow.read(0, 'bias', 1);
  const masks = slow.read(0, 'mask', 1);
  const sparse = patterns.some((pattern) => pattern && pattern.n < pattern.m) && sizes[1]! > 1;
  expect(online.divergence(slow, 1) > 0).toBe(sparse);
  slow.polyak(online, 0.25);
  to.forEach((before, i) => {
    const [l, member] = [i >> 1, i & 1];
    const expected = before.map((w, k) => w + 0.25 * (from[i]![k]! - w));
    const received = slow.read(l, 'weight', member);
    const holes = (values: Float32Array) => Array.from(values, Number.isNaN);
    expect(holes(received)).toEqual(holes(expected));
    const numbers = (values: Float32Array) => values.filter((value) => !Number.isNaN(value));
    expect(deviation(numbers(received), numbers(expected))).toBeLessThan(1e-6);
  });
  const expectedBias = biasBefore.map((b, i) => b + 0.25 * (bias[i]! - b));
  expect(deviation(slow.read(0, 'bias', 1), expectedBias)).toBeLessThan(1e-6);
  expect(slow.read(0, 'mask', 1)).toEqual(masks);
}

function learnOnce(device: Device, mlp: Mlp, x: Float32Array, gradient: Float32Array): void {
  const [inputs, outputs] = [mlp.sizes[0]!, mlp.members * mlp.sizes.at(-1)!];
  const rows = x.length / inputs;
  const input = device.matrix(rows, inputs);
  input.set(x);
  const outputGradient = device.matrix(rows, outputs);
  outputGradient.set(gradient);
  mlp.forward(input, device.matrix(rows, outputs), { keep: true });
  mlp.backward(outputGradient);
  mlp.adam(adam);
}

describe('masks and targets', () => {
  const device = new Device({ device: testDevice, threads: 2 });
  const options: MlpOptions = { sizes: [19, 45, 3], patterns: Array(2).fill({ n: 1, m: 4 }) };
  const target = (of: MlpOptions) => device.mlp({ ...of, role: 'target' });
  const weights = (seed: number) => [randomFloats(45 * 19, seed), randomFloats(3 * 45, seed + 1)];
  const write = (mlp: Mlp, values: Float32Array[]) =>
    values.forEach((layer, l) => mlp.write(l, 'weight', layer));

  test('weights survive mask updates, dormant ones too, and masks are projections', () => {
    const mlp = device.mlp(options);
    const before = [mlp.read(0, 'mask'), mlp.read(1, 'mask')];
    const values = weights(1);
    write(mlp, values);
    const changed = mlp.updateMasks();
    let expectedChanges = 0;
    values.forEach((layer, l) => {
      const mask = projectMask(layer, mlp.sizes[l]!, { n: 1, m: 4 });
      expect(mlp.read(l, 'mask')).toEqual(Float32Array.from(mask));
      expect(mlp.read(l, 'weight')).toEqual(layer);
      expect(mlp.read(l, 'maskedWeight')).toEqual(layer.map((w, i) => (mask[i] === 1 ? w : 0)));
      mask.forEach((entry, i) => (expectedChanges += entry === before[l]![i] ? 0 : 1));
    });
    expect(changed).toBe(expectedChanges);
    expect(changed).toBeGreaterThan(100);
    expect(mlp.updateMasks()).toBe(0);
  });

  test('newly active weights start with zero moments, others keep theirs', () => {
    const mlp = device.mlp(options);
    write(mlp, weights(2));
    mlp.updateMasks();
    const before = mlp.read(0, 'mask');
    const moment = randomFloats(45 * 19, 3);
    mlp.write(0, 'weightMoment1', moment);
    write(mlp, weights(4));
    mlp.updateMasks();
    const after = mlp.read(0, 'mask');
    const expected = moment.map((m, i) => (before[i] === 1 && after[i] === 1 ? m : 0));
    expect(mlp.read(0, 'weightMoment1')).toEqual(expected);
    expect(expected.some((m) => m !== 0)).toBe(true);
  });

  test('a target can copy, follow and project', () => {
    const online = device.mlp(options);
    const slow = target(options);
    write(online, weights(7));
    online.updateMasks();
    const all = 2 * (slow.followMasks(online) / 2);
    expect(all).toBeGreaterThan(0);
    expect(slow.divergence(online)).toBe(0);
    expect(slow.updateMasks()).toBeGreaterThan(0);
    slow.copyFrom(online);
    expect(slow.divergence(online)).toBe(0);
    expect(slow.read(1, 'weight')).toEqual(online.read(1, 'weight'));
    expect(slow.read(1, 'bias')).toEqual(online.read(1, 'bias'));
  });

  test('the data gradient follows the weights after Adam, masks and writes', () => {
    const { mlp, references } = makePair(device, options, 8);
    const x = randomFloats(10 * 19, 9);
    const gradient = randomFloats(10 * 3, 10);
    for (const change of ['nothing', 'adam', 'masks', 'write']) {
      if (change === 'adam') mlp.adam(adam);
      if (change === 'write') write(mlp, weights(11));
      if (change !== 'nothing') mlp.updateMasks();
      references[0]!.layers.forEach((layer, l) => {
        layer.weight.set(mlp.read(l, 'weight'));
        layer.bias.set(mlp.read(l, 'bias'));
        layer.mask.set(mlp.read(l, 'mask'));
      });
      const input = device.matrix(10, 19);
      input.set(x);
      const outputGradient = device.matrix(10, 3);
      outputGradient.set(gradient);
      const inputGradient = device.matrix(10, 19);
      mlp.forward(input, device.matrix(10, 3), { keep: true });
      mlp.backward(outputGradient, { inputGradient });
      const expected = backward(references[0]!, x, gradient, true).input;
      expect(deviation(inputGradient.get(), expected)).toBeLessThan(tolerance);
    }
  });

  test('an inference network holds the active weights alone, and computes the same', () => {
    const { mlp } = makePair(device, options, 15);
    const light = device.mlp({ ...options, role: 'inference' });
    light.copyFrom(mlp);
    const input = device.matrix(40, 19);
    input.set(randomFloats(40 * 19, 16));
    const [expected, received] = [device.matrix(40, 3), device.matrix(40, 3)];
    mlp.forward(input, expected);
    light.forward(input, received);
    expect(received.get()).toEqual(expected.get());
    expect(light.read(0, 'weight')).toEqual(mlp.read(0, 'maskedWeight'));
    expect(() => light.updateMasks()).toThrow(/inference network takes no mask updates/);
    expect(() => light.polyak(mlp, 0.1)).toThrow(/inference/);
    expect(() => light.adam(adam)).toThrow(/inference/);
    expect(() => light.read(0, 'weightMoment1')).toThrow();
  });

  (onCpu ? test : test.skip)(
    'the memory of 1:4 against dense: weights, indices, moments and gradients',
    () => {
      const wide: MlpOptions = { sizes: [113, 256, 256, 1], members: 2 };
      const patterns = Array(3).fill({ n: 1, m: 4 });
      const bytes = (more: Partial<MlpOptions>) => {
        const mlp = device.mlp({ ...wide, ...more });
        if (mlp.trainable) {
          // The transposed index comes with the first backward pass.
          mlp.forward(device.matrix(4, 113), device.matrix(4, 2), { keep: true });
          mlp.backward(device.matrix(4, 2), {
            inputGradient: device.matrix(4, 8),
            inputFirst: 105,
          });
        }
        return mlp.bytes;
      };
      expect(bytes({ patterns }) / bytes({})).toBeLessThanOrEqual(0.62);
      const role = 'inference';
      expect(bytes({ patterns, role }) / bytes({ role })).toBeLessThanOrEqual(0.4);
    },
  );

  test("initialisation is PyTorch's: uniform within 1 / sqrt(inputs), from the seed", () => {
    const make = (seed: number, stream: number) =>
      device.mlp({ sizes: [100, 200, 5], seed, stream }).read(0, 'weight');
    const weight = make(1, 1);
    const bound = 0.1;
    expect(weight).toEqual(make(1, 1));
    expect(weight).not.toEqual(make(2, 1));
    expect(weight).not.toEqual(make(1, 2));
    expect(Math.max(...weight.map(Math.abs))).toBeLessThanOrEqual(bound + 1e-8);
    const mean = weight.reduce((sum, w) => sum + w, 0) / weight.length;
    const square = weight.reduce((sum, w) => sum + w * w, 0) / weight.length;
    expect(Math.abs(mean)).toBeLessThan(0.002);
    expect(square / ((bound * bound) / 3)).toBeCloseTo(1, 1);
  });

  test.each([
    [2, 4, 1.118],
    [1, 4, 1.414],
    [1, 8, 1.826],
    [3, 8, 1.188],
    [4, 4, 1],
  ])('active weights of a row have the variance of a dense row, %i:%i', (n, m, factor) => {
    const inputs = 480;
    const patterns = [{ n, m }, { n, m }, null];
    const make = (initialScale: 'dense' | 'variance') => {
      const mlp = device.mlp({ sizes: [24, inputs, 300, 5], patterns, members: 2, initialScale });
      const read = (part: LayerPart) => [0, 1, 2].map((layer) => mlp.read(layer, part, 1));
      return { all: read('weight'), active: read('maskedWeight'), biases: read('bias') };
    };
    const [dense, scaled] = [make('dense'), make('variance')];
    expect(scaled.biases).toEqual(dense.biases);
    expect(scaled.all[2]).toEqual(dense.all[2]);
    for (const layer of [0, 1]) {
      const ratios = scaled.all[layer]!.map((w, i) => w / dense.all[layer]![i]!);
      expect(Math.min(...new Set(ratios))).toBeCloseTo(factor, 3);
      expect(Math.max(...new Set(ratios))).toBeCloseTo(factor, 3);
    }
    // 1 / 3 of all weights' squares within 1 / sqrt(inputs), times the inputs of a row.
    const sum = scaled.active[1]!.reduce((total, w) => total + w * w, 0);
    expect(Math.abs((sum / 300) * 3 - 1)).toBeLessThan(0.01);
  });
});

/** Averages may be put off; none may be lost or see weights that it should not have seen. */
describe('Polyak averaging that nobody looks at', () => {
  const device = new Device({ device: testDevice, threads: 2 });
  const rules = ['masked', 'ste'] as const;
  const sizes = [19, 45, 30, 3];
  const options = (gradientRule: (typeof rules)[number], n = 1, m = 4): MlpOptions => ({
    sizes,
    patterns: [{ n, m }, { n: 3, m: 7 }, null],
    gradientRule,
    members: 2,
  });
  const weights = (mlp: Mlp) =>
    [0, 1, 2].flatMap((l) => [0, 1].flatMap((member) => [...mlp.read(l, 'weight', member)]));
  /** An online network, another, and two equal targets, the second of which is read all the time. */
  const make = (rule: (typeof rules)[number], n?: number, m?: number) => {
    const of = options(rule, n, m);
    const online = makePair(device, of, 30).mlp;
    const other = makePair(device, of, 31).mlp;
    const [late, watched] = [0, 1].map(() => makePair(device, { ...of, role: 'target' }, 32).mlp);
    const average = (source: Mlp, tau: number, times = 1) => {
      for (let i = 0; i < times; i++) {
        learnOnce(device, online, randomFloats(5 * 19, 40 + i), randomFloats(5 * 6, 50 + i));
        late!.polyak(source, tau);
        watched!.polyak(source, tau);
        weights(watched!);
      }
    };
    return { online, other, late: late!, watched: watched!, average };
  };

  test.each(rules)('many averages, %s', (rule) => {
    for (const [n, m] of [
      [1, 4],
      [2, 5],
      [31, 32],
    ]) {
      const { online, late, watched, average } = make(rule, n, m);
      expect(online.divergence(late)).toBeGreaterThan(0);
      const before = weights(late);
      average(online, 0.05, 150);
      expect(weights(late)).toEqual(weights(watched));
      expect(weights(late)).not.toEqual(before);
    }
  });

  const closeOnline = ({ online }: ReturnType<typeof make>) => online.close();

  test.each<[string, (nets: ReturnType<typeof make>) => void]>([
    ['the online masks change', ({ online }) => void online.updateMasks()],
    ['the online masks follow', ({ online, other }) => void online.followMasks(other)],
    ['the online weights are copied', ({ online, other }) => online.copyFrom(other)],
    [
      'the online weights are written',
      ({ online }) => online.write(0, 'weight', randomFloats(45 * 19, 3), 1),
    ],
    ['the online network is averaged', ({ online, other }) => online.polyak(other, 0.5)],
    ['tau changes', ({ online, average }) => average(online, 0.3)],
    ['the source changes', ({ other, average }) => average(other, 0.1, 2)],
    [
      'both targets get new masks',
      ({ late, watched }) => {
        late.updateMasks();
        watched.updateMasks();
      },
    ],
    [
      'both targets follow the online masks',
      ({ online, late, watched }) => {
        late.followMasks(online);
        watched.followMasks(online);
      },
    ],
    [
      'the online weights swap',
      ({ online }) => void online.updateMasks({ rule: 'random', dropFraction: 0.5 }),
    ],
    ['the dormant online weights are scaled', ({ online }) => online.scaleDormant(0.5)],
    [
      'the dormant weights of both targets are scaled',
      ({ late, watched }) => {
        late.scaleDormant(0.5);
        watched.scaleDormant(0.5);
      },
    ],
    [
      'a target becomes the source',
      ({ online, late, watched }) => {
        online.polyak(late, 0.5);
        online.polyak(watched, 0.5);
      },
    ],
    ['the online network is closed', closeOnline],
    ['the online network is averaged with itself', ({ online }) => online.polyak(online, 0.5)],
  ])('%s in between', (_, change) => {
    const nets = make('masked');
    nets.average(nets.online, 0.1, 3);
    change(nets);
    if (change !== closeOnline) nets.average(nets.online, 0.1, 3);
    expect(weights(nets.late)).toEqual(weights(nets.watched));
    const [copy, copyOfWatched] = [nets.late, nets.watched].map((target) => {
      const mlp = makePair(device, { ...options('masked'), role: 'target' }, 33).mlp;
      mlp.copyFrom(target);
      return mlp;
    });
    expect(weights(copy!)).toEqual(weights(copyOfWatched!));
  });
});

describe('what does not fit is refused', () => {
  const device = new Device({ device: testDevice, threads: 1 });
  const mlp = device.mlp({ sizes: [4, 8, 2], patterns: Array(2).fill({ n: 2, m: 4 }) });
  const input = device.matrix(3, 4);

  test('options', () => {
    expect(() => device.mlp(undefined as never)).toThrow(/options/);
    expect(() => device.mlp({ sizes: [4] })).toThrow(/sizes/);
    expect(() => device.mlp({ sizes: [4, -3] })).toThrow(
      'Expected sizes[1] to be an integer from 1 to 65535 but received -3',
    );
    for (const width of [65_536, 2 ** 32 + 5]) {
      expect(() => device.mlp({ sizes: [4, width] })).toThrow(/from 1 to 65535/);
    }
    expect(() => device.mlp({ sizes: [4, 2], patterns: [{ n: 5, m: 4 }] })).toThrow(/5:4/);
    expect(() => device.mlp({ sizes: [4, 2], patterns: [{ n: 1, m: 33 }] })).toThrow(/1:33/);
    expect(() => device.mlp({ sizes: [4, 2], patterns: [] })).toThrow(/patterns/);
    expect(() => device.mlp({ sizes: [4, 2], members: 0 })).toThrow(/members/);
    expect(() => device.mlp({ sizes: [1, 1], members: 2 ** 31 - 1 })).toThrow(
      /members to be an integer from 1 to 1024 but received 2147483647/,
    );
  });

  const of = (low: number, high: number) => ({
    low: Float32Array.of(low, -1),
    high: Float32Array.of(high, 1),
  });
  test.each([
    [of(NaN, 1), 'outputRange.low[0] to be a finite number but received NaN'],
    [of(-Infinity, 1), 'outputRange.low[0] to be a finite number but received -Infinity'],
    [of(-1, NaN), 'outputRange.high[0] to be above outputRange.low[0] (-1)'],
    [of(1, 1 + 1e-12), 'outputRange.high[0] to be above outputRange.low[0] (1)'],
    // Half of their difference is no float32 number.
    [of(-3e38, 3e38), 'by a number that float32 can hold'],
    [{ low: [-1, -1], high: [1, 1] }, 'outputRange.low to be a Float32Array of length 2'],
    [{ low: new Float32Array(2) }, 'outputRange.high to be a Float32Array of length 2'],
    [
      { ...of(-1, 1), low: new Float32Array(3) },
      'outputRange.low to be a Float32Array of length 2',
    ],
    [null, 'outputRange.low to be a Float32Array of length 2 but received undefined'],
  ])('an output range, %#', (outputRange, message) => {
    const options = { sizes: [4, 2], outputRange: outputRange as never };
    expect(() => device.mlp(options)).toThrow(message);
  });

  test.each([
    [{ learningRate: NaN }, 'learningRate'],
    [{ learningRate: 1e39 }, 'learningRate to be a number that float32 can hold'],
    [{ beta1: 1 }, 'beta1 to be a number from 0 to below 1, in float32 too, but received 1'],
    [{ beta1: NaN }, 'beta1'],
    [{ beta1: undefined }, 'beta1'],
    [{ beta2: -0.1 }, 'beta2'],
    [{ beta2: 1 - 1e-9 }, 'beta2 to be a number from 0 to below 1, in float32 too'],
    [{ epsilon: 0 }, 'epsilon to be a positive number, in float32 too, but received 0'],
    [{ epsilon: 1e-50 }, 'epsilon'],
    [{ epsilon: Infinity }, 'epsilon'],
  ])("Adam's %p", (change, message) => {
    const before = mlp.read(0, 'weight');
    expect(() => mlp.adam({ ...adam, ...(change as object) })).toThrow(message);
    expect(mlp.adamSteps).toBe(0);
    expect(mlp.read(0, 'weight')).toEqual(before);
  });

  test('shapes and order of calls', () => {
    const output = device.matrix(3, 2);
    expect(() => mlp.forward(device.matrix(3, 5), output)).toThrow(/4 columns but received 5/);
    expect(() => mlp.forward(input, device.matrix(2, 2))).toThrow(/\[3, 2\]/);
    expect(() => mlp.backward(output)).toThrow(/forward with keep/);
    expect(() => mlp.forward(input, output, { members: { first: 1, count: 1 } })).toThrow(
      /members/,
    );
    for (const members of [{}, { first: 0, count: 2 }, { first: -1, count: 1 }, null]) {
      expect(() => mlp.forward(input, output, { members: members as never })).toThrow(/members/);
      expect(() => mlp.backward(output, { members: members as never })).toThrow(/members/);
    }
    expect(() => mlp.forward(input, output, { keep: 1 as never })).toThrow(/keep to be a boolean/);
    expect(() => mlp.forward({} as never, output)).toThrow(/input to be a batch matrix/);
    expect(() => mlp.write(0, 'mask', new Float32Array(32))).toThrow(/2 active entries in row 0/);
    expect(() => mlp.write(0, 'weight', new Float32Array(3))).toThrow(/length 32/);
    expect(() => mlp.read(2, 'weight')).toThrow(/layer/);
    const elsewhere = new Device({ device: testDevice, threads: 1 }).mlp({ sizes: mlp.sizes });
    for (const other of [{}, undefined, null, input, elsewhere] as never[]) {
      const message = 'to be a network of the same device';
      expect(() => mlp.polyak(other, 0.1)).toThrow(`Expected source ${message}`);
      expect(() => mlp.copyFrom(other)).toThrow(`Expected source ${message}`);
      expect(() => mlp.followMasks(other)).toThrow(`Expected source ${message}`);
      expect(() => mlp.divergence(other)).toThrow(`Expected other ${message}`);
    }
    expect(() => mlp.copyFrom(device.mlp({ sizes: [4, 9, 2] }))).toThrow(/same shape/);
    expect(() => device.mlp({ sizes: [4, 2], role: 'target' }).adam(adam)).toThrow(/target/);
  });

  test('other devices and closed ones', () => {
    const other = new Device({ device: testDevice, threads: 1 });
    expect(() => mlp.forward(other.matrix(3, 4), device.matrix(3, 2))).toThrow(/same device/);
    const orphan = other.mlp({ sizes: [4, 2] });
    other.close();
    expect(() => orphan.read(0, 'weight')).toThrow(/closed/);
    expect(() => other.matrix(1, 1)).toThrow(/closed/);
  });
});
