/** Gradients of dormant weights, which mask updates by gradient read. */
import { describe, expect, test } from '@jest/globals';
import type { Device, DeviceOptions, Mlp, MlpOptions } from '../../lib/device/index.js';
import { backward, deviation, randomFloats } from './reference.js';
import { makePair, onCpu, openDevices, shapes, variants } from './support.js';

const open = openDevices({ precision: 'fp32' });

/** Float32 sums of a few hundred terms of order one. */
const tolerance = 2e-5;
const both = { first: 0, count: 2 };

interface Pass {
  x: Float32Array;
  dy: Float32Array;
}

function randomPass(options: MlpOptions, rows: number, seed: number): Pass {
  const x = randomFloats(rows * options.sizes[0]!, seed);
  return { x, dy: randomFloats(rows * 2 * options.sizes.at(-1)!, seed + 1) };
}

/** A member's part of an output of two. */
const ownOf = (dy: Float32Array, outputs: number, member: number) =>
  dy.filter((_, i) => Math.floor(i / outputs) % 2 === member);

/** The passes of some members. */
function propagate(
  device: Device,
  mlp: Mlp,
  { x, dy }: Pass,
  { members = both, dormantGradient = true } = {},
): void {
  const [inputs, outputs] = [mlp.sizes[0]!, mlp.sizes.at(-1)!];
  const rows = x.length / inputs;
  const [input, output] = [
    device.matrix(rows, inputs),
    device.matrix(rows, members.count * outputs),
  ];
  input.set(x);
  mlp.forward(input, output, { keep: true, members });
  output.set(members.count === 2 ? dy : ownOf(dy, outputs, members.first));
  mlp.backward(output, { members, dormantGradient });
}

const gradients = (mlp: Mlp, part: 'weightGradient' | 'dormantGradient' | 'mask' | 'weight') =>
  [0, 1].map((member) =>
    Array.from({ length: mlp.layers }, (_, layer) => mlp.read(layer, part, member)),
  );

const ways: [string, DeviceOptions][] = onCpu
  ? variants
  : (['dense', 'sampled'] as const).map((weightGradient) => [
      `weight gradients: ${weightGradient}`,
      { precision: 'fp32', weightGradient },
    ]);

describe.each(ways)('%s', (_, deviceOptions) => {
  const device = open(deviceOptions);

  test.each(
    shapes.flatMap(({ name, sizes, patterns }) =>
      [1, 33].map((rows) => ({ name, sizes, patterns, rows })),
    ),
  )('they are those of dense weights, $name, batch $rows', ({ sizes, patterns, rows }) => {
    const outputRange = {
      low: new Float32Array(sizes.at(-1)!).fill(-2),
      high: new Float32Array(sizes.at(-1)!).fill(1),
    };
    for (const gradientRule of ['masked', 'sr-ste'] as const) {
      const network = { sizes, patterns, gradientRule, outputRange };
      const options: MlpOptions = { ...network, srLambda: 0.5, members: 2 };
      const { mlp, references } = makePair(device, options, 3);
      const pass = randomPass(options, rows, 20);
      propagate(device, mlp, pass);
      const scale = Math.max(1, rows / 16);
      const scaled = (values: ArrayLike<number>) => Float64Array.from(values, (g) => g / scale);
      references.forEach((net, member) => {
        const own = ownOf(pass.dy, sizes.at(-1)!, member);
        const [dense, masked] = [false, true].map((m) => backward(net, pass.x, own, m).weights);
        net.layers.forEach((_, layer) => {
          const all = mlp.read(layer, 'dormantGradient', member);
          expect(deviation(scaled(all), scaled(dense![layer]!))).toBeLessThan(tolerance);
          const active = mlp.read(layer, 'weightGradient', member);
          const expected = (gradientRule === 'masked' ? masked : dense)![layer]!;
          expect(deviation(scaled(active), scaled(expected))).toBeLessThan(tolerance);
        });
      });
    }
  });

  test('gradients of active weights are those of a pass that is not asked for the others', () => {
    for (const { sizes, patterns } of shapes) {
      const options: MlpOptions = { sizes, patterns, members: 2 };
      const [plain, asked] = [0, 1].map(() => makePair(device, options, 4).mlp);
      const pass = randomPass(options, 33, 30);
      propagate(device, plain!, pass, { dormantGradient: false });
      propagate(device, asked!, pass);
      const [expected, received] = [plain!, asked!].map((mlp) => gradients(mlp, 'weightGradient'));
      if (onCpu) expect(received).toEqual(expected);
      expected!.forEach((layers, member) =>
        layers.forEach((values, layer) => {
          expect(deviation(received![member]![layer]!, values)).toBeLessThan(2 * tolerance);
        }),
      );
      for (const [l, values] of gradients(plain!, 'dormantGradient').flat().entries()) {
        expect([l, values.every((g) => g === 0)]).toEqual([l, true]);
      }
    }
  });
});

const options: MlpOptions = {
  sizes: [19, 70, 45, 3],
  patterns: [{ n: 1, m: 4 }, { n: 2, m: 8 }, null],
  members: 2,
};
const adam = { learningRate: 0.05, beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };

test('the decay of sr-ste is no part of them, before a step or after it', () => {
  const device = open();
  const pass = randomPass(options, 24, 40);
  const all = [0, 3].map((srLambda) => {
    const { mlp } = makePair(device, { ...options, gradientRule: 'sr-ste', srLambda }, 5);
    propagate(device, mlp, pass);
    const before = gradients(mlp, 'dormantGradient');
    const weights = gradients(mlp, 'weight');
    mlp.adam(adam);
    expect(gradients(mlp, 'weight')).not.toEqual(weights);
    expect(gradients(mlp, 'dormantGradient')).toEqual(before);
    expect(gradients(mlp, 'weightGradient')).toEqual(before);
    return before;
  });
  expect(all[1]).toEqual(all[0]);
});

describe.each(onCpu ? (['auto'] as const) : (['dense', 'sampled'] as const))(
  'weight gradients: %s',
  (weightGradient) => {
    const make = () => {
      const device = open({ weightGradient });
      const { mlp } = makePair(device, options, 6);
      const pass = (seed: number, more: Parameters<typeof propagate>[3] = {}) =>
        propagate(device, mlp, randomPass(options, 24, seed), more);
      return { mlp, pass };
    };

    test('they outlast mask updates, and passes that are not asked for them', () => {
      const { mlp, pass } = make();
      pass(50, { dormantGradient: false });
      pass(51);
      const [before] = [gradients(mlp, 'dormantGradient'), mlp.adam(adam)];
      for (const { layer, member } of [0, 1].flatMap((layer) =>
        [0, 1].map((member) => ({ layer, member })),
      )) {
        const weight = mlp.read(layer, 'weight', member);
        mlp.write(layer, 'weight', weight.toReversed(), member);
      }
      expect(mlp.updateMasks()).toBeGreaterThan(100);
      expect(gradients(mlp, 'dormantGradient')).toEqual(before);
      mlp.updateMasks({ rule: 'random' });
      expect(gradients(mlp, 'dormantGradient')).toEqual(before);
      pass(52, { dormantGradient: false });
      const masks = gradients(mlp, 'mask');
      const after = gradients(mlp, 'dormantGradient');
      expect(after.flat(2).every((values) => values.some((g) => g !== 0))).toBe(true);
      // What a mask update reads is of that pass, or of the later one.
      if (onCpu || weightGradient === 'sampled') {
        const dormant = (all: Float32Array[][]) =>
          [0, 1].flatMap((member) =>
            [0, 1].flatMap((l) => [...all[member]![l]!].filter((_, i) => !masks[member]![l]![i])),
          );
        expect(dormant(after)).toEqual(dormant(before));
      }
      expect(mlp.updateMasks({ rule: 'gradient' })).toBeGreaterThan(0);
    });

    test('members have theirs', () => {
      const { mlp, pass } = make();
      const [second, first] = [1, 0].map((member) => ({ first: member, count: 1 }));
      const gradient = { rule: 'gradient' } as const;
      pass(60, { members: second! });
      const [none, some] = gradients(mlp, 'dormantGradient');
      expect(none!.every((values) => values.every((g) => g === 0))).toBe(true);
      expect(some!.every((values) => values.some((g) => g !== 0))).toBe(true);
      expect(() => mlp.updateMasks(gradient)).toThrow('Call backward with gradients of dormant');
      pass(61, { members: first! });
      expect(gradients(mlp, 'dormantGradient')[1]).toEqual(some);
      expect(mlp.updateMasks(gradient)).toBeGreaterThan(0);
    });
  },
);

test('they can be written, and are what a mask update reads', () => {
  const device = open();
  const { mlp } = makePair(device, options, 7);
  propagate(device, mlp, randomPass(options, 24, 70));
  const copy = device.mlp(options);
  copy.copyFrom(mlp);
  gradients(mlp, 'dormantGradient').forEach((layers, member) =>
    layers.forEach((values, layer) => copy.write(layer, 'dormantGradient', values, member)),
  );
  expect(gradients(copy, 'dormantGradient')).toEqual(gradients(mlp, 'dormantGradient'));
  const changed = mlp.updateMasks({ rule: 'gradient', dropFraction: 0.5 });
  expect(copy.updateMasks({ rule: 'gradient', dropFraction: 0.5 })).toBe(changed);
  expect(gradients(copy, 'mask')).toEqual(gradients(mlp, 'mask'));
  expect(gradients(copy, 'weight')).toEqual(gradients(mlp, 'weight'));
  const values = new Float32Array(19 * 70);
  expect(() => mlp.write(0, 'weightGradient', values)).toThrow('read only');
});

(onCpu ? test.skip : test).each([
  ['bf16', 2e-2],
  ['tf32', 2e-3],
] as const)('factors are rounded to %s, sums are not', (precision, limit) => {
  const single: MlpOptions = { sizes: [19, 45], patterns: [{ n: 1, m: 4 }], members: 2 };
  const device = open({ precision });
  const { mlp, references } = makePair(device, single, 8);
  const pass = randomPass(single, 33, 80);
  propagate(device, mlp, pass);
  references.forEach((net, member) => {
    const own = ownOf(pass.dy, 45, member);
    const expected = backward(net, pass.x, own, false).weights[0]!;
    const largest = Math.max(...expected.map(Math.abs));
    const scaled = (values: ArrayLike<number>) => Float64Array.from(values, (g) => g / largest);
    const received = mlp.read(0, 'dormantGradient', member);
    expect(deviation(scaled(received), scaled(expected))).toBeLessThan(limit);
  });
});

// Steps between graphs are none of theirs: nothing that they use moves.
test('graphs with mask updates in between', () => {
  const device = open();
  const [rows, sizes] = [16, [19, 70, 45, 3]];
  const [x, y, dy] = [
    device.matrix(rows, 19),
    device.matrix(rows, 2 * 3),
    device.matrix(rows, 2 * 3),
  ];
  x.set(randomFloats(rows * 19, 1));
  dy.set(randomFloats(rows * 6, 2));
  const more: Partial<MlpOptions> = { sizes, newMoment: 'row-mean', densityPower: 0.5 };
  const learn = (mlp: Mlp, dormantGradient: boolean) => {
    mlp.forward(x, y, { keep: true });
    mlp.backward(dy, { dormantGradient });
    mlp.adam(adam);
  };
  const [single, recorded] = [0, 1].map(() => device.mlp({ ...options, ...more, seed: 3 }));
  const plain = device.capture(() => learn(recorded!, false));
  const asked = device.capture(() => learn(recorded!, true));
  for (let step = 0; step < 8; step++) {
    const dormant = step % 3 === 2;
    learn(single!, dormant);
    (dormant ? asked : plain).run();
    for (const mlp of [single!, recorded!]) {
      if (dormant) mlp.updateMasks({ rule: 'gradient' });
      if (step === 3) mlp.updateMasks({ rule: 'random', stream: step });
      if (step === 4) mlp.scaleDormant(0.5);
      if (step === 6) mlp.updateMasks();
    }
  }
  for (const part of ['weight', 'mask', 'dormantGradient'] as const) {
    expect(gradients(recorded!, part)).toEqual(gradients(single!, part));
  }
});

test('what does not fit is refused', () => {
  const device = open();
  const mlp = device.mlp({ sizes: [4, 3] });
  const target = device.mlp({ sizes: [4, 3], role: 'target' });
  const [x, y] = [device.matrix(2, 4), device.matrix(2, 3)];
  for (const each of [mlp, target]) each.forward(x, y, { keep: true });
  expect(() => mlp.backward(y, { dormantGradient: 1 as never })).toThrow(
    'Expected dormantGradient to be a boolean',
  );
  expect(() => mlp.backward(y, { weightGradient: false, dormantGradient: true })).toThrow(
    'Expected weightGradient to be true where dormantGradient is but received false',
  );
  expect(() => target.backward(y, { dormantGradient: true })).toThrow(
    'A target network takes no weight gradients',
  );
});
