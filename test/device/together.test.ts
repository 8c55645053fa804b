/** Calls that a GPU works on at the same time: the same numbers, and a device that survives errors. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { Device } from '../../lib/device/index.js';
import type { BatchMatrix } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';
import { onCpu, testDevice } from './support.js';

const device = new Device({ device: testDevice, threads: 2 });
afterAll(() => device.close());

const [rows, sizes] = [37, [7, 33, 18, 3]];
const patterns = [{ n: 2, m: 4 }, null, { n: 1, m: 2 }];
let seed = Math.floor(Math.random() * 1e9);

/** A network whose training step depends on `step` alone. */
function problem(seed: number) {
  const mlp = device.mlp({ sizes, patterns, members: 2, seed });
  const x = device.matrix(rows, sizes[0]!);
  const [y, gradient] = [device.matrix(rows, 6), device.matrix(rows, 6)];
  x.set(randomFloats(rows * sizes[0]!, seed));
  const step = (number: number) => {
    mlp.forward(x, y, { keep: true });
    device.fillNormal(gradient, seed, number);
    mlp.backward(gradient);
    mlp.adam({ learningRate: 0.01 / (1 + number), beta1: 0.9, beta2: 0.99, epsilon: 1e-6 });
  };
  const state = () => [
    y.get(),
    ...[0, 1, 2].flatMap((l) => [mlp.read(l, 'weight', 1), mlp.read(l, 'bias', 0)]),
  ];
  return { mlp, y, step, state };
}

/** Two networks, and two with the same weights. */
function problems() {
  const [a, b] = [seed++, seed++];
  return { pair: [problem(a), problem(b)] as const, same: [problem(a), problem(b)] as const };
}

const steps = [0, 1, 2, 3, 4];

test.each<[string, boolean]>([
  ['single calls', false],
  ['a graph', true],
])('%s: what is done together gives the same numbers as in order, bit for bit', (_, recorded) => {
  const { pair, same } = problems();
  for (const number of steps) for (const one of same) one.step(number);
  let number = 0;
  const calls = () =>
    device.together(
      () => pair[0].step(number),
      () => pair[1].step(number),
    );
  const graph = device.capture(calls);
  for (; number < steps.length; number++) {
    if (recorded) graph.run();
    else calls();
  }
  expect(pair.map((one) => one.state())).toEqual(same.map((one) => one.state()));
  expect(pair[0].state()).not.toEqual(pair[1].state());
});

test('what comes before and after is in order', () => {
  const [a, b, sum] = [1, 1, 2].map((columns) => device.matrix(rows, columns)) as BatchMatrix[];
  const add = device.mlp({ sizes: [2, 1] });
  add.write(0, 'weight', Float32Array.of(1, 1));
  add.write(0, 'bias', Float32Array.of(0));
  const double = device.mlp({ sizes: [1, 1] });
  double.write(0, 'weight', Float32Array.of(2));
  double.write(0, 'bias', Float32Array.of(0));
  const calls = () => {
    device.fill(a!, 3);
    device.fill(b!, 5);
    device.together(
      () => double.forward(a!, sum!.view(0, 1)),
      () => double.forward(b!, sum!.view(1, 1)),
    );
    add.forward(sum!, a!);
  };
  const graph = device.capture(calls);
  for (const run of [calls, ...Array<() => void>(3).fill(() => graph.run())]) {
    device.fill(a!, NaN);
    run();
    expect(new Set(a!.get())).toEqual(new Set([16]));
  }
});

test('each is called once, the first one first, and returns nothing', () => {
  const called: string[] = [];
  const result: unknown = device.together(
    () => called.push('first'),
    () => called.push('second'),
  );
  expect(called).toEqual(['first', 'second']);
  expect(result).toBeUndefined();
});

test('values go in and out, and what is made within is zero', () => {
  const [a, b] = [device.matrix(3, 2), device.matrix(3, 2)];
  const [left, right] = [randomFloats(6, seed++), randomFloats(6, seed++)];
  const read: Float32Array[] = [];
  let made: BatchMatrix | undefined;
  device.fill(a, NaN);
  b.set(right);
  device.together(
    () => {
      a.set(left);
      made = device.matrix(5, 3);
    },
    () => {
      read.push(b.get());
      b.set(left);
    },
  );
  expect([...read, a.get(), b.get()]).toEqual([right, left, left]);
  expect(new Set(made!.get())).toEqual(new Set([0]));
});

test('within another it is in order', () => {
  const { pair, same } = problems();
  for (const number of [0, 1]) for (const one of same) one.step(number);
  const inOrder = (one: (typeof pair)[number]) => () =>
    device.together(
      () => one.step(0),
      () => one.step(1),
    );
  device.together(inOrder(pair[0]), inOrder(pair[1]));
  expect(pair.map((one) => one.state())).toEqual(same.map((one) => one.state()));
});

test('expects functions', () => {
  const nothing = () => {};
  expect(() => device.together(undefined as never, nothing)).toThrow(
    'Expected first to be a function but received undefined',
  );
  expect(() => device.together(nothing, 3 as never)).toThrow(
    'Expected second to be a function but received 3 of type number',
  );
  const closed = new Device({ device: testDevice, threads: 1 });
  closed.close();
  expect(() => closed.together(nothing, nothing)).toThrow(/This device was closed/);
});

describe('an error of', () => {
  const failing = (place: number, error: () => unknown, calls: readonly (() => void)[]) =>
    calls.map((call, i) => () => {
      call();
      if (i === place) throw error();
    }) as [() => void, () => void];

  test.each([0, 1])('part %i comes through, and what came before it is done', (place) => {
    const filled = [device.matrix(rows, 1), device.matrix(rows, 1)];
    const doubled = device.matrix(rows, 1);
    const double = device.mlp({ sizes: [1, 1] });
    double.write(0, 'weight', Float32Array.of(2));
    double.write(0, 'bias', Float32Array.of(0));
    [new Error('mine'), 'a string', undefined].forEach((error, value) => {
      const calls = filled.map((matrix) => () => device.fill(matrix, value + 1));
      let thrown: unknown = 'nothing';
      try {
        device.together(...failing(place, () => error, calls));
      } catch (caught) {
        thrown = caught;
      }
      expect(thrown).toBe(error);
      for (const matrix of filled.slice(0, place + 1)) {
        double.forward(matrix, doubled);
        expect(new Set(doubled.get())).toEqual(new Set([2 * (value + 1)]));
      }
    });
  });

  test.each([0, 1])('part %i within a graph leaves that and the device usable', (place) => {
    const { pair, same } = problems();
    let fails = false;
    let number = 0;
    const calls = pair.map((one) => () => one.step(number));
    const bad = failing(place, () => (fails ? new Error('mine') : undefined), calls);
    const graph = device.capture(() => device.together(...((fails ? bad : calls) as typeof bad)));
    graph.run();
    // On a GPU once while it is recorded, and once while it is brought up to date.
    for (const done of [1, 2, 3]) {
      fails = !onCpu && done !== 2;
      number = done;
      if (fails) expect(() => graph.run()).toThrow('mine');
      fails = false;
      for (const one of pair) one.mlp.adamSteps = done;
      graph.run();
    }
    for (const one of same) for (const step of [0, 1, 2, 3]) one.step(step);
    expect(pair.map((one) => one.state())).toEqual(same.map((one) => one.state()));
  });
});

(onCpu ? describe.skip : describe)('on a GPU it cannot', () => {
  const nothing = () => {};

  test('contain a graph', () => {
    const y = device.matrix(3, 1);
    const message = 'What is done together cannot contain a graph: do it before or after';
    for (const part of [0, 1]) {
      const graph = device.capture(() => device.fill(y, 1));
      const inside = () => {
        const parts = [nothing, nothing] as [() => void, () => void];
        parts[part] = () => graph.run();
        device.together(...parts);
      };
      graph.run();
      expect(inside).toThrow(message); // while it is recorded
      for (let i = 0; i < 2; i++) graph.run();
      expect(inside).toThrow(message); // while it is brought up to date
      device.fill(y, 0);
      graph.run();
    }
    expect(new Set(y.get())).toEqual(new Set([1]));
  });

  test('close anything', () => {
    const y = device.matrix(3, 1);
    expect(() => device.together(nothing, () => y.close())).toThrow(
      /together cannot contain the release of a matrix: do it before or after/,
    );
    expect(() => device.together(() => device.close(), nothing)).toThrow(/release of its device/);
    device.fill(y, 2);
    expect(new Set(y.get())).toEqual(new Set([2]));
    y.close();
  });

  test('change sides once it was recorded', () => {
    const [a, b] = [device.matrix(3, 1), device.matrix(3, 1)];
    const fill = [() => device.fill(a, 1), () => device.fill(b, 2)] as const;
    const ways: (() => void)[] = [
      () => device.together(...fill),
      () => device.together(() => fill.forEach((one) => one()), nothing),
      () => device.together(nothing, () => fill.forEach((one) => one())),
      () => fill.forEach((one) => one()),
    ];
    let way = ways[0]!;
    const graph = device.capture(() => way());
    for (let i = 0; i < 2; i++) graph.run();
    for (way of ways.slice(1)) expect(() => graph.run()).toThrow(/ones that it recorded/);
    way = ways[0]!;
    graph.run();
    expect([a.get(), b.get()].map((values) => [...values])).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
  });
});
