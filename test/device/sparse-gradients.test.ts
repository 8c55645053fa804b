/** Data gradients through sparse tensor cores, beside float64 loops over what the device holds. */
import { describe, expect, test } from '@jest/globals';
import type {
  DataGradient,
  Device,
  DeviceOptions,
  Mlp,
  MlpOptions,
} from '../../lib/device/index.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import {
  backward,
  projectMask,
  pruneTranspose,
  randomFloats,
  transposableMask,
} from './reference.js';
import type { Pattern, ReferenceNetwork } from './reference.js';
import { onCpu, openDevices } from './support.js';

const open = openDevices({ sparse: 'always' });

interface Shape {
  sizes: number[];
  rows: number;
}
/** What cuSPARSELt takes as it is, and what is padded for it. */
const even: Shape = { sizes: [6, 64, 48, 32, 3], rows: 16 };
const odd: Shape = { sizes: [6, 60, 44, 33, 3], rows: 13 };
const [inputs, outputs] = [6, 3];
/** Layers that the tensor cores take. */
const inner = [1, 2];
const adam = { learningRate: 0.05, beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };

interface Case {
  precision: 'bf16' | 'tf32';
  dataGradient: DataGradient;
  pattern: Pattern;
  gradientRule?: MlpOptions['gradientRule'];
  shape?: Shape;
}

const cases: Case[] = [
  { precision: 'bf16', dataGradient: 'transposable', pattern: { n: 2, m: 4 } },
  { precision: 'bf16', dataGradient: 'transposable', pattern: { n: 1, m: 4 }, gradientRule: 'ste' },
  { precision: 'tf32', dataGradient: 'transposable', pattern: { n: 1, m: 4 } },
  { precision: 'bf16', dataGradient: 'double-pruned', pattern: { n: 2, m: 4 } },
  { precision: 'bf16', dataGradient: 'double-pruned', pattern: { n: 1, m: 4 } },
  {
    precision: 'bf16',
    dataGradient: 'double-pruned',
    pattern: { n: 2, m: 8 },
    gradientRule: 'sr-ste',
  },
  // Forward as masked dense weights.
  { precision: 'bf16', dataGradient: 'double-pruned', pattern: { n: 3, m: 4 } },
  { precision: 'tf32', dataGradient: 'double-pruned', pattern: { n: 1, m: 4 } },
  { precision: 'tf32', dataGradient: 'double-pruned', pattern: { n: 2, m: 4 } },
  ...(['bf16', 'tf32'] as const).flatMap((precision) =>
    (['transposable', 'double-pruned'] as const).map((dataGradient): Case => {
      return { precision, dataGradient, pattern: { n: 1, m: 4 }, shape: odd };
    }),
  ),
];

function optionsOf(each: Case): MlpOptions {
  const { dataGradient, pattern, gradientRule = 'masked', shape = even } = each;
  return {
    sizes: shape.sizes,
    patterns: Array(4).fill(pattern),
    members: 2,
    maskShape: dataGradient === 'transposable' ? 'transposable' : 'row',
    gradientRule,
    seed: 3,
  };
}

/**
 * Half of the units are on for every input, half off, whatever the weights: no rounding turns one of
 * them over.
 */
function settle(mlp: Mlp): void {
  for (let member = 0; member < 2; member++) {
    for (let layer = 0; layer < mlp.layers - 1; layer++) {
      const size = [10, 100, 2000][layer]!;
      const bias = Float32Array.from({ length: mlp.sizes[layer + 1]! }, (_, i) =>
        i % 2 ? -size : size,
      );
      mlp.write(layer, 'bias', bias, member);
    }
  }
}

/** The masks of the data gradient as the test follows them, [member][layer]. */
type GradientMasks = Uint8Array[][];

function gradientMasks(mlp: Mlp, { precision, dataGradient }: Case): GradientMasks {
  return [0, 1].map((member) =>
    Array.from({ length: mlp.layers }, (_, layer) => {
      const mask = Uint8Array.from(mlp.read(layer, 'mask', member));
      if (dataGradient !== 'double-pruned') return mask;
      const weight = mlp.read(layer, 'weight', member);
      return pruneTranspose(weight, mask, mlp.sizes[layer]!, precision === 'bf16' ? 4 : 2);
    }),
  );
}

/** A member as the device holds it now. */
function reference(mlp: Mlp, member: number, masks?: GradientMasks): ReferenceNetwork {
  return {
    layers: Array.from({ length: mlp.layers }, (_, l) => ({
      inputs: mlp.sizes[l]!,
      outputs: mlp.sizes[l + 1]!,
      weight: Float64Array.from(mlp.read(l, 'weight', member)),
      bias: Float64Array.from(mlp.read(l, 'bias', member)),
      mask: Uint8Array.from(mlp.read(l, 'mask', member)),
      ...(masks !== undefined && inner.includes(l) && { gradientMask: masks[member]![l]! }),
    })),
  };
}

interface Pass {
  x: Float32Array;
  dy: Float32Array;
  members: { first: number; count: number };
}

function randomPass(seed: number, members: Pass['members'], batch: number): Pass {
  const dy = randomFloats(batch * members.count * outputs, seed + 1, 8);
  return { x: randomFloats(batch * inputs, seed), dy, members };
}

/** Through the network forward and backward; returns the input's gradient. */
function propagate(device: Device, mlp: Mlp, pass: Pass): Float32Array {
  const { x, dy, members } = pass;
  const batch = x.length / inputs;
  const [input, inputGradient] = [device.matrix(batch, inputs), device.matrix(batch, inputs)];
  const output = device.matrix(batch, members.count * outputs);
  input.set(x);
  mlp.forward(input, output, { keep: true, members });
  output.set(dy);
  device.fill(inputGradient, NaN);
  mlp.backward(output, { members, inputGradient });
  return inputGradient.get();
}

/** What they should be: the input's gradient, and the first layer's weights' of the last member. */
function expected(mlp: Mlp, pass: Pass, masks?: GradientMasks) {
  const { x, dy, members } = pass;
  const width = members.count * outputs;
  const input = new Float64Array(x.length);
  let weight: Float64Array = new Float64Array();
  for (let i = 0; i < members.count; i++) {
    const own = dy.filter((_, k) => Math.floor((k % width) / outputs) === i);
    const net = reference(mlp, members.first + i, masks);
    const gradients = backward(net, x, own, true);
    gradients.input.forEach((value, k) => (input[k]! += value));
    weight = gradients.weights[0]!;
  }
  return { input, weight };
}

/** Largest |a - b| in parts of the largest |b|; NaN on either side counts as infinite. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [worst, scale] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    const error = Math.abs(a[i]! - b[i]!);
    if (Number.isNaN(error)) return Infinity;
    worst = Math.max(worst, error);
    scale = Math.max(scale, Math.abs(b[i]!));
  }
  return worst / scale;
}

const tolerances = { bf16: 2e-2, tf32: 2e-3 };
const [both, first] = [
  { first: 0, count: 2 },
  { first: 0, count: 1 },
];

(onCpu ? describe.skip : describe)('sparse data gradients', () => {
  describe.each(cases)('$precision, $dataGradient, $pattern, $shape.sizes', (each) => {
    const { precision, dataGradient, pattern, shape = even } = each;
    const { sizes, rows } = shape;
    const tolerance = tolerances[precision];
    const pruned = dataGradient === 'double-pruned';
    const device = open({ precision, dataGradient });
    const make = (role: MlpOptions['role'] = 'online', seed = 3) => {
      const mlp = device.mlp({ ...optionsOf(each), role, seed });
      settle(mlp);
      return mlp;
    };

    test('weights stay compressed both ways through steps, averages, new masks and writes', () => {
      const online = make();
      let masks = gradientMasks(online, each);
      const check = (seed: number) => {
        for (const members of [both, first, { first: 1, count: 1 }]) {
          const pass = randomPass(seed, members, rows);
          const received = propagate(device, online, pass);
          const { input, weight } = expected(online, pass, masks);
          expect(distance(received, input)).toBeLessThan(tolerance);
          const last = members.first + members.count - 1;
          const own = online.read(0, 'weightGradient', last);
          const mask = online.read(0, 'mask', last);
          const active = (values: ArrayLike<number>) => mask.map((m, i) => m * values[i]!);
          expect(distance(active(own), active(weight))).toBeLessThan(tolerance);
        }
        for (let layer = 0; layer < online.layers; layer++) {
          const held = online.read(layer, 'gradientMask', 1);
          expect(held).toEqual(Float32Array.from(masks[1]![layer]!));
        }
      };
      propagate(device, online, randomPass(0, both, rows));
      check(1);
      for (const step of [1, 2, 3]) {
        propagate(device, online, randomPass(10 * step, both, rows));
        online.adam(adam);
        check(step);
      }
      // The weights have moved, and the masks of the data gradient have stayed.
      if (pruned) expect(gradientMasks(online, each)[1]![1]).not.toEqual(masks[1]![1]);
      expect(online.updateMasks()).toBeGreaterThan(0);
      masks = gradientMasks(online, each);
      check(4);
      const other = make('target', 4);
      online.polyak(other, 0.3);
      check(5);
      online.followMasks(other);
      masks = gradientMasks(online, each);
      check(6);
      const values = randomFloats(sizes[1]! * sizes[2]!, 7, 0.2);
      online.write(1, 'weight', values, 1);
      check(7);
      const before = masks[0]![1];
      const project = pruned
        ? projectMask(values, sizes[1]!, pattern)
        : transposableMask(values, sizes[1]!, pattern.n);
      online.write(1, 'mask', project, 1);
      // Of other layers and members nothing is chosen anew.
      masks[1]![1] = gradientMasks(online, each)[1]![1]!;
      expect(masks[0]![1]).toBe(before);
      check(8);
      online.copyFrom(other);
      masks = gradientMasks(online, each);
      check(9);
      expect(online.updateMasks({ rule: 'random', dropFraction: 0.5 })).toBeGreaterThan(0);
      masks = gradientMasks(online, each);
      check(10);
      online.scaleDormant(0.5);
      check(11);
    });

    test('it is what the tensor cores compute, and not something near it', () => {
      const online = make();
      const held = online.bytes;
      const pass = randomPass(1, both, rows);
      const [input, output] = [device.matrix(rows, inputs), device.matrix(rows, 6)];
      online.forward(input, output);
      const forward = online.bytes;
      expect(forward > held).toBe(
        2 * pattern.n <= pattern.m && !(precision === 'tf32' && pattern.n > 1),
      );
      const received = propagate(device, online, pass);
      expect(online.bytes).toBeGreaterThan(forward);
      const exact = expected(online, pass).input;
      if (pruned) expect(distance(received, exact)).toBeGreaterThan(3 * tolerance);
      else expect(distance(received, exact)).toBeLessThan(tolerance);
    });

    test('the same in a graph', () => {
      const [one, other] = [make(), make()];
      const [input, output] = [device.matrix(rows, inputs), device.matrix(rows, 6)];
      input.set(randomFloats(rows * inputs, 8));
      const update = (mlp: Mlp) => {
        mlp.forward(input, output, { keep: true });
        mlp.backward(output);
        mlp.adam(adam);
      };
      const graph = device.capture(() => update(one));
      for (let i = 0; i < 5; i++) {
        graph.run();
        update(other);
        if (i === 2) expect(one.updateMasks()).toBe(other.updateMasks());
      }
      for (const layer of [0, 1, 2]) {
        expect(one.read(layer, 'weight', 1)).toEqual(other.read(layer, 'weight', 1));
      }
    });

    test('NaN gets through, from gradients and from weights', () => {
      const online = make();
      const pass = randomPass(2, first, rows);
      const clean = propagate(device, online, pass);
      expect(clean.some(Number.isNaN)).toBe(false);
      pass.dy.fill(NaN, 5 * outputs, 6 * outputs);
      const received = propagate(device, online, pass);
      received.forEach((value, i) => {
        if (Math.floor(i / inputs) === 5) expect(value).toBeNaN();
        else expect(value).toBe(clean[i]);
      });
      // A weight of a unit that is on, between the passes: every sample's gradient reads it.
      const mask = online.read(1, 'gradientMask');
      const at = mask.findIndex((entry, i) => entry === 1 && i % 2 === 0);
      const weight = online.read(1, 'weight');
      const gradient = device.matrix(rows, outputs);
      const inputGradient = device.matrix(rows, inputs);
      gradient.set(randomPass(2, first, rows).dy);
      online.write(1, 'weight', weight.with(at, NaN));
      online.backward(gradient, { members: first, inputGradient });
      expect(inputGradient.get().every(Number.isNaN)).toBe(true);
    });
  });

  test('columns keep the largest, ties to the upper row, NaN before all, in odd shapes too', () => {
    for (const [precision, group] of [
      ['bf16', 4],
      ['tf32', 2],
    ] as const) {
      const device = open({ precision, dataGradient: 'double-pruned' });
      for (const [out, columns] of [
        [1, 5],
        [7, 9],
        [18, 33],
        [64, 24],
      ] as const) {
        const mlp = device.mlp({ sizes: [columns, out], patterns: [{ n: 2, m: 4 }] });
        const fine = randomFloats(out * columns, out);
        const coarse = fine.map((w) => Math.round(2 * w) / 2);
        const strange = coarse.map((w, i) => (i % 7 === 0 ? NaN : i % 5 === 0 ? -Infinity : w));
        for (const weights of [fine, coarse, strange]) {
          mlp.write(0, 'weight', weights);
          mlp.updateMasks();
          const mask = mlp.read(0, 'mask');
          const left = pruneTranspose(weights, mask, columns, group);
          expect(mlp.read(0, 'gradientMask')).toEqual(Float32Array.from(left));
        }
        expect(device.mlp({ sizes: [8, 8] }).read(0, 'gradientMask')).toEqual(
          new Float32Array(64).fill(1),
        );
      }
    }
  });

  test.each<[string, DeviceOptions, Partial<MlpOptions>, number]>([
    ['a few rows', { precision: 'bf16' }, {}, 7],
    [
      'a last group of fewer columns',
      { precision: 'bf16', dataGradient: 'transposable' },
      { sizes: [6, 42, 32, 3] },
      16,
    ],
    ['float32', { precision: 'fp32' }, {}, 16],
    ['sparse: never', { precision: 'bf16', sparse: 'never' }, {}, 16],
    ['dense layers', { precision: 'bf16' }, { patterns: [null, null, null, null] }, 16],
    ['no 1:2 in the transpose', { precision: 'tf32', dataGradient: 'transposable' }, {}, 16],
    [
      'masks of shape row',
      { precision: 'bf16', dataGradient: 'transposable' },
      { maskShape: 'row' },
      16,
    ],
    ['dense gradients', { precision: 'bf16', dataGradient: 'dense' }, {}, 16],
  ])('%s: masked dense weights, exactly', (_, deviceOptions, options, batch) => {
    const device = open({ dataGradient: 'double-pruned', ...deviceOptions });
    const mlp = device.mlp({
      sizes: even.sizes,
      patterns: Array((options.sizes ?? even.sizes).length - 1).fill({ n: 2, m: 4 }),
      maskShape: 'transposable',
      seed: 5,
      ...options,
    });
    for (let layer = 0; layer < mlp.layers - 1; layer++) {
      mlp.write(layer, 'bias', new Float32Array(mlp.sizes[layer + 1]!).fill(30));
    }
    const pass = randomPass(4, first, batch);
    mlp.forward(device.matrix(batch, inputs), device.matrix(batch, outputs));
    const held = mlp.bytes;
    const received = propagate(device, mlp, pass);
    expect(mlp.bytes).toBe(held);
    expect(distance(received, expected(mlp, pass).input)).toBeLessThan(tolerances.bf16);
  });

  test('a state holds the masks of the data gradient, and brings them back', () => {
    const device = open({ precision: 'bf16', dataGradient: 'double-pruned' });
    const options = {
      observationSize: 3,
      actionSize: 2,
      actionLow: -1,
      actionHigh: 1,
      hiddenSizes: [32, 32],
      batchSize: 16,
      bufferSize: 64,
      sparsity: '2:4',
      learningRate: 0.02,
      maskInterval: 4,
    };
    const agents = [new Td3Agent(options, device), new Td3Agent({ ...options, seed: 9 }, device)];
    const learn = (agent: Td3Agent, begin: number, count: number) => {
      for (let i = begin; i < begin + count; i++) agent.learn(batchOf(i), { targetNoise: noise });
    };
    const noise = randomFloats(32, 1);
    const [agent, restored] = agents as [Td3Agent, Td3Agent];
    learn(agent, 0, 6);
    const state = agent.state();
    const name = 'critic2.1.mask.gradient';
    const { critics } = agent.networks;
    const anew = pruneTranspose(critics.read(1, 'weight', 1), critics.read(1, 'mask', 1), 32, 4);
    expect(state.tensors[name]?.data).not.toEqual(anew);
    restored.loadState(state);
    expect(restored.state().tensors).toEqual(state.tensors);
    learn(agent, 6, 5);
    learn(restored, 6, 5);
    expect(restored.state().tensors).toEqual(agent.state().tensors);
    // One from a device without them: they are chosen anew.
    const { [name]: _, ...others } = state.tensors;
    restored.loadState({ ...state, tensors: others });
    expect(restored.state().tensors[name]?.data).toEqual(anew);
  });

  test('what cannot be a mask of the data gradient is refused', () => {
    const device = open({ precision: 'bf16', dataGradient: 'double-pruned' });
    const mlp = device.mlp({ sizes: [8, 8], patterns: [{ n: 2, m: 4 }] });
    const before = mlp.read(0, 'gradientMask');
    const message = /^Expected gradientMask to lie within the mask, with at most 2 of every 4 rows/;
    const dormant = mlp.read(0, 'mask').indexOf(0);
    expect(() => mlp.write(0, 'gradientMask', before.with(dormant, 1))).toThrow(message);
    mlp.write(
      0,
      'mask',
      Float32Array.from({ length: 64 }, (_, i) => (i % 4 < 2 ? 1 : 0)),
    );
    const full = mlp.read(0, 'mask');
    expect(() => mlp.write(0, 'gradientMask', full)).toThrow(/another at row 2, column 0$/);
    mlp.write(0, 'gradientMask', new Float32Array(64));
    expect(mlp.read(0, 'gradientMask')).toEqual(new Float32Array(64));
    const dense = open({ precision: 'bf16' }).mlp({ sizes: [8, 8], patterns: [{ n: 2, m: 4 }] });
    expect(dense.read(0, 'gradientMask')).toEqual(dense.read(0, 'mask'));
    expect(() => dense.write(0, 'gradientMask', full)).toThrow('This part of a layer is read only');
  });
});

/** A batch for an agent with 3 observations and 2 actions. */
function batchOf(seed: number) {
  return {
    observation: randomFloats(16 * 3, seed),
    action: randomFloats(16 * 2, seed + 100),
    reward: randomFloats(16, seed + 200, 5),
    nextObservation: randomFloats(16 * 3, seed + 300),
    terminated: new Float32Array(16),
  };
}
