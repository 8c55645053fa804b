/** Layers that a GPU's tensor cores take as sparse, beside the same layers as masked dense ones. */
import { describe, expect, test } from '@jest/globals';
import type { Device, Mlp, MlpOptions, Precision } from '../../lib/device/index.js';
import { deviation, forward, projectMask, randomFloats } from './reference.js';
import type { Pattern } from './reference.js';
import { onCpu, openDevices } from './support.js';

const open = openDevices();

interface Shape {
  sizes: number[];
  rows: number;
}
/** What cuSPARSELt takes as it is, and what is padded for it: both hidden sides, input and batch. */
const even: Shape = { sizes: [6, 64, 48, 32, 3], rows: 16 };
const odd: Shape = { sizes: [7, 60, 44, 33, 3], rows: 13 };
const adam = { learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };

function networks(device: Device, pattern: Pattern, { sizes }: Shape) {
  const options: MlpOptions = { sizes, patterns: Array(4).fill(pattern), members: 2, seed: 3 };
  const online = device.mlp(options);
  const target = device.mlp({ ...options, role: 'target' });
  target.copyFrom(online);
  return { online, target };
}

/** The outputs of both members, [rows, 2 * 3]. */
function outputs(device: Device, mlp: Mlp, { sizes, rows }: Shape, seed: number): Float32Array {
  const [input, output] = [device.matrix(rows, sizes[0]!), device.matrix(rows, 6)];
  input.set(randomFloats(rows * sizes[0]!, seed));
  device.fill(output, NaN);
  mlp.forward(input, output, { keep: mlp.trainable });
  return output.get();
}

/** What the weights, masks and biases that the device holds now give in float64. */
function expectedOutputs(mlp: Mlp, { sizes, rows }: Shape, seed: number): number[] {
  const x = randomFloats(rows * sizes[0]!, seed);
  const references = [0, 1].map((member) => ({
    layers: sizes.slice(1).map((out, l) => ({
      inputs: sizes[l]!,
      outputs: out,
      weight: Float64Array.from(mlp.read(l, 'weight', member)),
      bias: Float64Array.from(mlp.read(l, 'bias', member)),
      mask: Uint8Array.from(mlp.read(l, 'mask', member)),
    })),
  }));
  return Array.from({ length: rows }, (_, b) =>
    references.flatMap((net) => [
      ...forward(net, x.subarray(b * sizes[0]!, (b + 1) * sizes[0]!)).at(-1)!,
    ]),
  ).flat();
}

function learn(device: Device, mlp: Mlp, shape: Shape, seed: number): void {
  outputs(device, mlp, shape, seed);
  const gradient = device.matrix(shape.rows, 6);
  gradient.set(randomFloats(shape.rows * 6, seed + 1));
  mlp.backward(gradient);
  mlp.adam(adam);
}

const cases: [Precision, Pattern, number, Shape][] = [
  ['bf16', { n: 2, m: 4 }, 4e-2, even],
  ['bf16', { n: 1, m: 4 }, 4e-2, even],
  ['bf16', { n: 2, m: 8 }, 4e-2, even],
  ['bf16', { n: 1, m: 2 }, 4e-2, even],
  ['tf32', { n: 1, m: 4 }, 4e-3, even],
  ['tf32', { n: 1, m: 2 }, 4e-3, even],
  ['tf32', { n: 1, m: 16 }, 4e-3, even],
  ['bf16', { n: 2, m: 4 }, 4e-2, odd],
  ['tf32', { n: 1, m: 2 }, 4e-3, odd],
];

(onCpu ? describe.skip : describe)('sparse tensor cores', () => {
  describe.each(cases)('%s, %j, within %d, %j', (precision, pattern, tolerance, shape) => {
    const { sizes, rows } = shape;
    const device = open({ precision, sparse: 'always' });

    test('weights stay compressed through steps, averages, new masks and writes', () => {
      const { online, target } = networks(device, pattern, shape);
      const held = online.bytes;
      const check = (seed: number) => {
        for (const mlp of [online, target]) {
          const received = outputs(device, mlp, shape, seed);
          expect(deviation(received, expectedOutputs(mlp, shape, seed))).toBeLessThan(tolerance);
          // Writing them anew brings all that follows from weights up to date: it has to be already.
          mlp.write(1, 'bias', mlp.read(1, 'bias'));
          expect(outputs(device, mlp, shape, seed)).toEqual(received);
        }
      };
      check(1);
      // The compressed buffers have come with the first batch: the sparse path is taken.
      expect(online.bytes).toBeGreaterThan(held);
      for (const step of [1, 2, 3]) {
        learn(device, online, shape, 10 * step);
        target.polyak(online, 0.3);
        check(step);
      }
      expect(online.updateMasks() + target.updateMasks()).toBeGreaterThan(0);
      check(4);
      learn(device, online, shape, 40);
      target.followMasks(online);
      check(5);
      const values = randomFloats(sizes[1]! * sizes[2]!, 6, 0.2);
      online.write(1, 'weight', values, 1);
      online.write(1, 'mask', projectMask(values, sizes[1]!, pattern), 1);
      check(6);
      target.copyFrom(online);
      check(7);
    });

    test('active weights that are zero keep their slots', () => {
      const { online } = networks(device, pattern, shape);
      const before = outputs(device, online, shape, 2);
      const weight = online.read(1, 'weight');
      online.write(1, 'weight', new Float32Array(weight.length));
      outputs(device, online, shape, 2);
      online.updateMasks();
      online.write(1, 'mask', projectMask(weight, sizes[1]!, pattern));
      online.write(1, 'weight', weight);
      expect(outputs(device, online, shape, 2)).toEqual(before);
    });

    test('the same as masked dense weights, and the same in a graph', () => {
      const dense = open({ precision, sparse: 'never' });
      const results = [device, dense].map((on) => {
        const { online } = networks(on, pattern, shape);
        const held = online.bytes;
        for (const step of [1, 2]) learn(on, online, shape, step);
        return { output: outputs(on, online, shape, 3), grew: online.bytes > held };
      });
      expect(results.map(({ grew }) => grew)).toEqual([true, false]);
      expect(deviation(results[0]!.output, results[1]!.output)).toBeLessThan(tolerance);
      const { online } = networks(device, pattern, shape);
      const [input, output] = [device.matrix(rows, sizes[0]!), device.matrix(rows, 6)];
      input.set(randomFloats(rows * sizes[0]!, 8));
      const graph = device.capture(() => {
        online.forward(input, output, { keep: true });
        online.backward(output);
        online.adam(adam);
      });
      for (let i = 0; i < 4; i++) graph.run();
      const again = networks(device, pattern, shape).online;
      for (let i = 0; i < 4; i++) {
        again.forward(input, output, { keep: true });
        again.backward(output);
        again.adam(adam);
      }
      expect(online.read(2, 'weight', 1)).toEqual(again.read(2, 'weight', 1));
    });
  });

  test.each([
    ['bf16', { n: 3, m: 4 }],
    ['bf16', { n: 4, m: 8 }],
    ['tf32', { n: 2, m: 4 }],
    ['tf32', { n: 1, m: 3 }],
    ['fp32', { n: 1, m: 4 }],
  ] as const)('%s, %j has no hardware path: masked dense', (precision, pattern) => {
    const device = open({ precision, sparse: 'always' });
    const { online } = networks(device, pattern, even);
    const held = online.bytes;
    const output = device.matrix(even.rows, 6);
    device.fill(output, NaN);
    online.forward(device.matrix(even.rows, 6), output);
    expect(output.get().some(Number.isNaN)).toBe(false);
    expect(online.bytes).toBe(held);
  });
});
