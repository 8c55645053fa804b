import { describe, expect, test } from '@jest/globals';
import { availableIsas, Device } from '../../lib/device/index.js';
import { RunError } from '../../lib/errors.js';
import { deviation, randomFloats } from './reference.js';
import { onCpu, testDevice, variants } from './support.js';

const device = new Device({ device: testDevice, threads: 2 });

function matrixOf(rows: number, columns: number, values: Float32Array) {
  const matrix = device.matrix(rows, columns);
  matrix.set(values);
  return matrix;
}

describe('device', () => {
  test('tells what it is', () => {
    const { info } = device;
    expect(info).toMatchObject({ name: testDevice, threads: onCpu ? 2 : 1 });
    expect(onCpu ? availableIsas() : ['sm_80', 'sm_86', 'sm_89', 'sm_90']).toContain(info.isa);
    expect(availableIsas().at(-1)).toBe('plain');
    expect(new Device({ device: 'cpu', isa: 'plain' }).info.isa).toBe('plain');
    expect(new Device().info.threads).toBeGreaterThanOrEqual(1);
  });

  test('refuses what it does not have', () => {
    expect(() => new Device({ device: 'gpu' as 'cpu' })).toThrow(/"auto", "cpu"/);
    expect(() => new Device({ isa: 'mmx' })).toThrow(/plain/);
    expect(() => new Device({ threads: -1 })).toThrow(/non-negative integer but received -1/);
    expect(() => new Device({ sparse: 'maybe' as 'auto' })).toThrow(/"always", "never"/);
    expect(() => new Device({ dataGradient: 'exact' as 'dense' })).toThrow(
      /dataGradient to be one of "dense", "transposable", "double-pruned"/,
    );
    expect(() => new Device({ precision: 'fp8' as 'fp32' })).toThrow(/"tf32", "bf16"/);
    expect(() => new Device({ threads: 1000 })).toThrow(/at most 256/);
  });
});

describe('batch matrices', () => {
  test.each([1, 31, 32, 33, 100])('%i rows go in and out, whole and in parts', (rows) => {
    const values = randomFloats(rows * 5, rows);
    const matrix = matrixOf(rows, 5, values);
    expect(matrix.get()).toEqual(values);
    const view = matrix.view(1, 2);
    expect(matrix.get(view)).toEqual(values.filter((_, i) => i % 5 === 1 || i % 5 === 2));
    const part = randomFloats(rows * 2, rows + 1);
    matrix.set(part, view);
    expect(matrix.get(view)).toEqual(part);
    expect(matrix.get(matrix.view(3, 2))).toEqual(values.filter((_, i) => i % 5 >= 3));
  });

  test('views and arrays that do not fit are refused', () => {
    const matrix = device.matrix(4, 3);
    expect(() => matrix.view(2, 2)).toThrow(/at most 3 but received 4/);
    expect(() => matrix.view(-1, 2)).toThrow(/first/);
    expect(() => matrix.set(new Float32Array(11))).toThrow(/4 x 3/);
    expect(() => device.matrix(0, 3)).toThrow(/rows/);
    expect(() => device.matrix(2 ** 31, 3)).toThrow(
      'Expected rows (batchSize) to be an integer from 1 to 2147483647 but received 2147483648 of type number',
    );
    expect(() => device.matrix(1, 2 ** 26 + 1)).toThrow(
      /columns to be an integer from 1 to 6710886/,
    );
    expect(() => device.fill({ matrix, first: 2, columns: 5 }, 0)).toThrow(/3 columns/);
    expect(() => device.fill({ matrix, first: 0.5, columns: 1 }, 0)).toThrow(/3 columns/);
    expect(() => device.fill(matrix, 'a' as never)).toThrow('Expected value to be a number');
    expect(() => matrix.get(device.matrix(4, 3))).toThrow(/a view of this matrix/);
    const range = { low: Float32Array.of(0, 0, 0), noiseScale: 1, noiseClip: 1 };
    expect(() => device.smooth(matrix, matrix, undefined as never)).toThrow(/range.low.*length 3/);
    expect(() => device.smooth(matrix, matrix, { ...range, high: [1, 1, 1] as never })).toThrow(
      'Expected range.high to be a Float32Array of length 3 but received Array of length 3',
    );
    const limits = { ...range, high: range.low };
    for (const [noise, message] of [
      [{ seed: -1, stream: 0 }, /noise.seed to be .*received -1/],
      [{ seed: 1 }, /noise.stream to be .*received undefined/],
      [null, /noise to be a batch matrix/],
    ] as const) {
      expect(() => device.smooth(matrix, noise as never, limits)).toThrow(message);
    }
    expect(() => device.fill({ matrix: {} } as never, 0)).toThrow(/batch matrix/);
    const one = device.matrix(4, 1);
    const batch = { reward: one, discount: one, nextQ: matrix, q: matrix };
    for (const [wrong, gradient, message] of [
      [{ q: device.matrix(5, 3) }, matrix, /q to have shape \[4, 3\] but received \[5, 3\]/],
      [{ reward: matrix }, matrix, /reward to have shape \[4, 1\]/],
      [{ discount: matrix }, matrix, /discount to have shape \[4, 1\]/],
      [{ nextQ: undefined as never }, matrix, /nextQ to be a batch matrix/],
      [{}, one, /gradient to have shape \[4, 3\]/],
    ] as const) {
      expect(() => device.tdGradient({ ...batch, ...wrong }, one, gradient)).toThrow(message);
    }
    expect(() => device.tdGradient(undefined as never, one, matrix)).toThrow(/reward to be/);
  });
});

test('a batch as large as can be counted is a question of memory alone', () => {
  const [rows, columns] = [2 ** 31 - 1, 60_000];
  const megabytes = onCpu ? Math.round((2 ** 31 * columns * 4) / 1e6) : '[0-9]+';
  const message = new RegExp(`Not enough memory.* for ${megabytes} MB`);
  expect(() => device.matrix(rows, columns)).toThrow(message);
  expect(() => device.matrix(rows, 2 ** 26)).toThrow(RunError);
});

const cases = variants.flatMap(([name, options]) =>
  [1, 33, 256].map((rows) => ({ name, options, rows })),
);

describe.each(cases)('TD3 kernels of $name, batch $rows', ({ options, rows }) => {
  const device = new Device({ ...options, threads: 2 });
  const matrixOf = (count: number, columns: number, values: Float32Array) => {
    const matrix = device.matrix(count, columns);
    matrix.set(values);
    return matrix;
  };

  test('target policy smoothing', () => {
    const low = Float32Array.from([-1, 0, -3]);
    const high = Float32Array.from([1, 5, -2]);
    const actions = randomFloats(rows * 3, 1, 2).map((a, i) => a + [0, 2.5, -2.5][i % 3]!);
    const noise = randomFloats(rows * 3, 2, 4);
    const action = matrixOf(rows, 3, actions);
    device.smooth(action, matrixOf(rows, 3, noise), { low, high, noiseScale: 0.2, noiseClip: 0.5 });
    const expected = actions.map((a, i) => {
      const half = (high[i % 3]! - low[i % 3]!) / 2;
      const clipped = Math.min(Math.max(0.2 * noise[i]!, -0.5), 0.5);
      return Math.min(Math.max(a + clipped * half, low[i % 3]!), high[i % 3]!);
    });
    expect(deviation(action.get(), expected)).toBeLessThan(1e-6);
  });

  test('smoothing lets a NaN through, of the action and of the noise', () => {
    const limits = { low: Float32Array.of(-1), high: Float32Array.of(1) };
    const nan = new Float32Array(rows).fill(NaN);
    for (const [action, noise] of [
      [nan, new Float32Array(rows)],
      [new Float32Array(rows), nan],
    ] as const) {
      const matrix = matrixOf(rows, 1, action);
      device.smooth(matrix, matrixOf(rows, 1, noise), { ...limits, noiseScale: 1, noiseClip: 1 });
      expect(matrix.get().every(Number.isNaN)).toBe(true);
    }
    const matrix = matrixOf(rows, 1, nan);
    device.smooth(matrix, { seed: 1, stream: 2 }, { ...limits, noiseScale: 1, noiseClip: 1 });
    expect(matrix.get().every(Number.isNaN)).toBe(true);
  });

  // 131 actions are more than a GPU's kernel takes at a time.
  test.each([1, 6, 131])(
    'smoothing %i actions by drawn noise is smoothing by it, bit for bit',
    (actions) => {
      const range = {
        low: randomFloats(actions, 8, 1).map((x) => x - 1.5),
        high: randomFloats(actions, 9, 1).map((x) => x + 1.5),
        noiseScale: 0.3,
        noiseClip: 0.4,
      };
      const values = randomFloats(rows * (actions + 2), 10, 2);
      const [fused, apart] = [1, 2].map(() => matrixOf(rows, actions + 2, values));
      const noise = device.matrix(rows, actions);
      for (const [seed, stream] of [
        [5, 2 ** 40 + 1],
        [2 ** 40, 3],
      ] as const) {
        device.fillNormal(noise, seed, stream);
        device.smooth(apart!.view(1, actions), noise, range);
        device.smooth(fused!.view(1, actions), { seed, stream }, range);
      }
      expect(fused!.get()).toEqual(apart!.get());
      expect(fused!.get()).not.toEqual(values);
    },
  );

  test('TD target with the least of the target critics', () => {
    const reward = randomFloats(rows, 3, 10);
    const discount = randomFloats(rows, 4).map((x) => Math.max(x, 0));
    const q = randomFloats(rows * 2, 5, 100);
    const target = device.matrix(rows, 1);
    device.fill(target, NaN);
    const batch = {
      reward: matrixOf(rows, 1, reward),
      discount: matrixOf(rows, 1, discount),
      q: matrixOf(rows, 2, q),
    };
    device.tdTarget(batch, target);
    const expected = reward.map((r, b) => r + discount[b]! * Math.min(q[2 * b]!, q[2 * b + 1]!));
    expect(deviation(target.get(), expected)).toBeLessThan(1e-6);
  });

  test('gradient of the mean squared errors', () => {
    const q = randomFloats(rows * 2, 6, 10);
    const y = randomFloats(rows, 7, 10);
    const gradient = device.matrix(rows, 2);
    device.mseGradient(matrixOf(rows, 2, q), matrixOf(rows, 1, y), gradient);
    const expected = q.map((value, i) => (2 * (value - y[i >> 1]!)) / rows);
    expect(deviation(gradient.get(), expected)).toBeLessThan(1e-6);
  });

  // As many target critics as critics, and not.
  test.each([
    [2, 2],
    [1, 3],
    [5, 1],
  ])(
    'targets of %i and gradients of %i critics are those of two calls, bit for bit',
    (nexts, qs) => {
      const nextQ = randomFloats(rows * nexts, 11, 50);
      nextQ[nextQ.length - 1] = NaN;
      const batch = {
        reward: matrixOf(rows, 1, randomFloats(rows, 12, 10)),
        discount: matrixOf(rows, 1, randomFloats(rows, 13).map(Math.abs)),
      };
      const [q, next] = [
        matrixOf(rows, qs, randomFloats(rows * qs, 14, 50)),
        matrixOf(rows, nexts, nextQ),
      ];
      const [fused, apart] = [1, 2].map(() => {
        const results = [device.matrix(rows, 3), device.matrix(rows, qs + 2)] as const;
        for (const matrix of results) device.fill(matrix, 7);
        return results;
      });
      const [target, gradient] = [apart![0].view(1, 1), apart![1].view(1, qs)];
      device.tdTarget({ ...batch, q: next }, target);
      device.mseGradient(q, target, gradient);
      device.tdGradient({ ...batch, q, nextQ: next }, fused![0].view(1, 1), fused![1].view(1, qs));
      for (const i of [0, 1] as const) expect(fused![i].get()).toEqual(apart![i].get());
      expect(gradient.matrix.get().filter(Number.isNaN).length).toBe(qs);
    },
  );

  test('a NaN of either critic stays visible in the target', () => {
    for (const critic of [0, 1]) {
      const q = new Float32Array(rows * 2).map((_, i) => (i % 2 === critic ? NaN : 1));
      const target = device.matrix(rows, 1);
      const zeros = device.matrix(rows, 1);
      const batch = { reward: zeros, discount: zeros, q: matrixOf(rows, 2, q) };
      device.tdTarget(batch, target);
      expect(target.get().every(Number.isNaN)).toBe(true);
    }
  });

  test('a NaN target stays visible', () => {
    const nan = matrixOf(rows, 1, new Float32Array(rows).fill(NaN));
    const gradient = device.matrix(rows, 2);
    device.mseGradient(device.matrix(rows, 2), nan, gradient);
    expect(gradient.get().every(Number.isNaN)).toBe(true);
  });
});

/** A network whose output is tanh of its input. */
function squashing(device: Device) {
  const outputRange = { low: Float32Array.of(-1), high: Float32Array.of(1) };
  const mlp = device.mlp({ sizes: [1, 1], outputRange });
  mlp.write(0, 'weight', Float32Array.of(1));
  mlp.write(0, 'bias', Float32Array.of(0));
  return mlp;
}

describe.each(variants)('tanh of %s', (_, options) => {
  const device = new Device({ ...options, threads: 1 });
  const tanh = (values: Float32Array) => {
    const [input, output] = [device.matrix(values.length, 1), device.matrix(values.length, 1)];
    input.set(values);
    squashing(device).forward(input, output);
    return output.get();
  };

  test('is exact to two units in the last place, from the smallest to where it is 1', () => {
    const small = randomFloats(5000, 1, 20).map((x) => Math.sign(x) * Math.exp(-Math.abs(x)));
    for (const values of [small, randomFloats(5000, 2, 1), randomFloats(5000, 3, 12)]) {
      const errors = tanh(values).map((y, i) => Math.abs(y / Math.tanh(values[i]!) - 1));
      expect(errors.every((error) => error <= 2 ** -22)).toBe(true);
    }
  });

  test('ends at 1, and lets a NaN through', () => {
    const values = Float32Array.of(0, 9.2, -9.2, 1e30, -Infinity, Infinity, NaN);
    expect([...tanh(values)]).toEqual([0, 1, -1, 1, -1, 1, NaN]);
  });
});

test.each(variants)('normals of %s are those of the plain kernels', (_, options) => {
  const [draws, expected] = [new Device(options), new Device({ device: 'cpu', isa: 'plain' })].map(
    (device) => {
      const matrix = device.matrix(4099, 5);
      device.fillNormal(matrix, 11, 4);
      return matrix.get();
    },
  );
  // 2 pi times a uniform, rounded to float32, is off by 2e-7 itself; radii go up to 5.8.
  expect(Math.max(...draws!.map((x, i) => Math.abs(x - expected![i]!)))).toBeLessThan(4e-6);
});

describe('normals', () => {
  test('are standard normal, and depend on seed, stream and place alone', () => {
    const draw = (rows: number, seed: number, stream: number) => {
      const matrix = device.matrix(rows, 3);
      device.fillNormal(matrix, seed, stream);
      return matrix.get();
    };
    const values = draw(100_000, 1, 2);
    const moment = (k: number) => values.reduce((sum, x) => sum + x ** k, 0) / values.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.01);
    expect(moment(2)).toBeCloseTo(1, 1);
    expect(Math.abs(moment(3))).toBeLessThan(0.05);
    expect(moment(4)).toBeCloseTo(3, 0);
    expect(draw(50, 1, 2)).toEqual(values.subarray(0, 150));
    expect(draw(50, 2, 2)).not.toEqual(draw(50, 1, 2));
    expect(draw(50, 1, 3)).not.toEqual(draw(50, 1, 2));
    const one = new Device({ device: testDevice, threads: 1 }).matrix(100, 3);
    one.device.fillNormal(one, 1, 2);
    expect(one.get()).toEqual(values.subarray(0, 300));
  });
});
