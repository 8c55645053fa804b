/** Outputs and their gradients as views: wherever they lie, passes find them and leave the rest alone. */
import { describe, expect, test } from '@jest/globals';
import type { MemberRange } from '../../lib/device/index.js';
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
    const [rows, inputs, width] = [9, 6, 16];
    const range = { low: Float32Array.of(-1, 0, -3), high: Float32Array.of(1, 2, 5) };
    const mlp = device.mlp({
      sizes,
      members: 2,
      seed: 4,
      ...(squashed === undefined ? {} : { outputRange: range }),
    });
    const input = device.matrix(rows, inputs);
    input.set(randomFloats(rows * inputs, 1));
    const pass = (first: number, kind: { members: MemberRange; keep: boolean }) => {
      const { members } = kind;
      const outputs = 3 * members.count;
      const [y, dy] = [device.matrix(rows, width), device.matrix(rows, width)];
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
      expect(y.get().filter(Number.isNaN).length).toBe(rows * (width - outputs));
      return { y: y.get(y.view(first, outputs)), dx: dx.get() };
    };
    const [one, other, both] = [
      { first: 0, count: 1 },
      { first: 1, count: 1 },
      { first: 0, count: 2 },
    ];
    for (const kind of [one, other, both].flatMap((members) =>
      [true, false].map((keep) => ({ members, keep })),
    )) {
      const expected = pass(9, kind);
      for (const first of places) {
        const received = pass(first, kind);
        expect(deviation(received.y, expected.y)).toBeLessThan(tolerance);
        expect(deviation(received.dx, expected.dx)).toBeLessThan(tolerance);
      }
    }
    expect(pass(0, { members: one, keep: true })).not.toEqual(
      pass(0, { members: other, keep: true }),
    );
  });
});
