/** Outputs and their gradients as views: wherever they lie, passes find them and leave the rest alone. */
import { describe, expect, test } from '@jest/globals';
import { deviation, randomFloats } from './reference.js';
import { onCpu, openDevices } from './support.js';

const open = openDevices();

/** What a product reads and writes where it lies on a GPU, and what takes a kernel to bring there. */
const places = [0, 1, 4, 7];
const networks = [
  { name: 'linear', sizes: [6, 20, 3] },
  { name: 'linear, of one layer', sizes: [6, 3] },
  { name: 'squashed', sizes: [6, 20, 3], squashed: true },
];

describe.each(onCpu ? (['fp32'] as const) : (['fp32', 'bf16'] as const))('%s', (precision) => {
  const device = open({ precision });
  // The same products of differently aligned matrices may be other algorithms.
  const tolerance = precision === 'bf16' ? 1e-2 : 1e-5;

  test.each(networks)('$name', ({ sizes, squashed }) => {
    const [rows, inputs, outputs] = [9, 6, 3];
    const range = { low: Float32Array.of(-1, 0, -3), high: Float32Array.of(1, 2, 5) };
    const mlp = device.mlp({
      sizes,
      members: 2,
      seed: 4,
      ...(squashed === undefined ? {} : { outputRange: range }),
    });
    const input = device.matrix(rows, inputs);
    input.set(randomFloats(rows * inputs, 1));
    const pass = (first: number, kind: { member: number; keep: boolean }) => {
      const members = { first: kind.member, count: 1 };
      const [y, dy] = [device.matrix(rows, 12), device.matrix(rows, 12)];
      const dx = device.matrix(rows, inputs);
      device.fill(y, NaN);
      device.fill(dy, NaN);
      const gradient = randomFloats(rows * outputs, 2);
      dy.set(gradient, dy.view(first, outputs));
      mlp.forward(input, y.view(first, outputs), { members, keep: kind.keep });
      if (kind.keep) {
        const options = { members, weightGradient: false, inputGradient: dx };
        mlp.backward(dy.view(first, outputs), options);
      }
      expect(dy.get(dy.view(first, outputs))).toEqual(gradient);
      expect(y.get().filter(Number.isNaN).length).toBe(rows * (12 - outputs));
      return { y: y.get(y.view(first, outputs)), dx: dx.get() };
    };
    for (const kind of [0, 1].flatMap((member) =>
      [true, false].map((keep) => ({ member, keep })),
    )) {
      const expected = pass(9, kind);
      for (const first of places) {
        const received = pass(first, kind);
        expect(deviation(received.y, expected.y)).toBeLessThan(tolerance);
        expect(deviation(received.dx, expected.dx)).toBeLessThan(tolerance);
      }
    }
    expect(pass(0, { member: 0, keep: true })).not.toEqual(pass(0, { member: 1, keep: true }));
  });
});
