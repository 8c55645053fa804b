/** Graphs: the same numbers as the calls they were recorded from, and errors for what cannot be. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, describe, expect, test } from '@jest/globals';
import { Device, loadAddon } from '../../lib/device/index.js';
import type { Graph } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';
import { onCpu, openNative, testDevice } from './support.js';

const device = new Device({ device: testDevice, threads: 2 });
afterAll(() => device.close());

const [batch, inputs, outputs] = [12, 7, 2];
const adam = { beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };

/** A small training problem: all that changes from step to step depends on `step` alone. */
function problem() {
  const patterns = [{ n: 2, m: 4 }, { n: 1, m: 2 }, null];
  const options = { sizes: [inputs, 16, 12, outputs], patterns, seed: 5 };
  const online = device.mlp(options);
  const target = device.mlp({ ...options, role: 'target' });
  const replay = device.replay({ capacity: 20, observationSize: 3, actionSize: 2 });
  const x = device.matrix(batch, inputs);
  const [y, noise] = [device.matrix(batch, outputs), device.matrix(batch, outputs)];
  const [reward, discount, next] = [1, 1, 3].map((columns) => device.matrix(batch, columns));
  let step = 0;
  const calls = () => {
    replay.sample(1, step, {
      observation: x.view(0, 3),
      action: x.view(3, 2),
      reward: reward!,
      nextObservation: next!,
      discount: discount!,
    });
    device.fillNormal(noise, 2, step);
    online.forward(x, y, { keep: true });
    online.backward(noise);
    online.adam({ ...adam, learningRate: 0.01 / (1 + step) });
    target.polyak(online, 0.1);
  };
  const observe = () => {
    const values = randomFloats(7, 100 + step);
    replay.add({
      observation: values.subarray(0, 3),
      action: values.subarray(3, 5),
      reward: values[5]!,
      nextObservation: values.subarray(1, 4),
      discount: Math.abs(values[6]!),
    });
  };
  const state = () =>
    [online, target].flatMap((mlp) =>
      [0, 1, 2].flatMap((l) => [mlp.read(l, 'weight'), mlp.read(l, 'bias')]),
    );
  /** Seven steps, with new transitions before each and new masks after the fourth. */
  const run = (once: () => void) => {
    for (; step < 7; step++) {
      observe();
      once();
      if (step === 3) for (const mlp of [online, target]) mlp.updateMasks();
    }
  };
  return { calls, run, state, online, y };
}

test('a graph gives the same numbers as its calls, bit for bit', () => {
  const [eager, recorded] = [problem(), problem()];
  const before = eager.state();
  eager.run(eager.calls);
  const graph = device.capture(recorded.calls);
  recorded.run(() => graph.run());
  expect(recorded.state()).toEqual(eager.state());
  expect(recorded.online.adamSteps).toBe(7);
  expect(eager.state()).not.toEqual(before);
});

test('a graph is recorded again when memory that it uses has moved', () => {
  const [eager, recorded] = [problem(), problem()];
  const graph = device.capture(recorded.calls);
  const grow = (of: typeof eager, rows: number) => {
    const [input, output] = [device.matrix(rows, inputs), device.matrix(rows, outputs)];
    of.online.forward(input, output, { keep: true });
  };
  let rows = batch;
  eager.run(() => {
    eager.calls();
    grow(eager, ++rows);
  });
  rows = batch;
  recorded.run(() => {
    graph.run();
    grow(recorded, ++rows);
  });
  expect(recorded.state()).toEqual(eager.state());
});

/** Runs until the graph has been recorded and launched. */
function runTwice(graph: Graph): void {
  graph.run();
  graph.run();
}

(onCpu ? describe.skip : describe)('what a graph cannot do', () => {
  test('record copies, allocations, masks and other graphs', () => {
    const { y, online } = problem();
    const inner = device.capture(() => device.fill(y, 1));
    const many = () => {
      for (let i = 0; i < 33; i++) device.fillNormal(y, 1, i);
    };
    const bad: [() => unknown, RegExp][] = [
      [() => y.get(), /copy to the host/],
      [() => y.set(new Float32Array(batch * outputs)), /copy from the host/],
      [() => device.matrix(2, 2), /allocation/],
      [() => online.updateMasks(), /change of masks/],
      [() => runTwice(inner), /another graph/],
      [many, /at most 64 numbers that change.*record them as several graphs/],
    ];
    for (const [calls, message] of bad) {
      const graph = device.capture(() => void calls());
      graph.run();
      expect(() => graph.run()).toThrow(message);
    }
    // The device goes on as if nothing had happened.
    device.fill(y, 3);
    expect(new Set(y.get())).toEqual(new Set([3]));
  });

  test('make other calls than it recorded', () => {
    const [a, b] = [device.matrix(3, 2), device.matrix(3, 2)];
    let target = a;
    let value = 1;
    const graph = device.capture(() => device.fill(target, value));
    runTwice(graph);
    expect(new Set(a.get())).toEqual(new Set([1]));
    target = b;
    expect(() => graph.run()).toThrow(/ones that it recorded/);
    expect(new Set(b.get())).toEqual(new Set([0]));
    target = a;
    value = 2;
    expect(() => graph.run()).toThrow(/ones that it recorded/);
    value = 1;
    graph.run();
  });

  test('be spoilt by what is freed while it is recorded', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    // Finalizers of native objects run between turns of the event loop.
    const collectGarbage = async () => {
      for (let turn = 0; turn < 3; turn++) {
        gc();
        await new Promise(setImmediate);
      }
    };
    // What other devices free is not held back.
    await collectGarbage();
    const { addon } = loadAddon();
    const native = openNative(addon);
    const matrix = new addon.Matrix(native, 2, 3);
    const ended: string[] = [];
    const registry = new FinalizationRegistry<string>((name) => ended.push(name));
    const drop = () => {
      registry.register(new addon.Matrix(native, 4, 4), 'matrix');
      registry.register(new addon.Replay(native, 8, 2, 1), 'replay');
    };
    drop();
    native.fill(matrix, 0, 3, 1);
    const graph = new addon.Graph(native);
    graph.beginCapture();
    native.fill(matrix, 0, 3, 2);
    await collectGarbage();
    expect(ended.sort()).toEqual(['matrix', 'replay']);
    graph.endCapture();
    graph.beginRefresh();
    native.fill(matrix, 0, 3, 2);
    graph.launch();
    const values = new Float32Array(6);
    matrix.download(values, 0, 3);
    expect(new Set(values)).toEqual(new Set([2]));
    native.close();
  });

  // 130 actions are more than a kernel takes limits of.
  test.each([2, 130])('smooth %i actions with other numbers than it recorded', (actions) => {
    const [action, noise] = [device.matrix(3, actions), device.matrix(3, actions)];
    const range = {
      low: new Float32Array(actions).fill(-1),
      high: new Float32Array(actions).fill(1),
      noiseScale: 0.2,
      noiseClip: 0.5,
    };
    let given = range;
    const graph = device.capture(() => {
      device.fill(action, 3);
      device.smooth(action, noise, given);
    });
    runTwice(graph);
    const last = (value: number) =>
      new Float32Array(actions).fill(value, actions - 1).fill(Math.sign(value), 0, actions - 1);
    for (const other of [
      { high: last(5) },
      { low: last(-5) },
      { high: range.high.map((value) => value + 1e-6) },
      { noiseScale: 0.3 },
      { noiseClip: 0.4 },
    ]) {
      given = { ...range, ...other };
      expect(() => graph.run()).toThrow(/ones that it recorded/);
    }
    // The same numbers in other arrays are the same calls.
    given = { ...range, low: range.low.slice(), high: range.high.slice() };
    device.fill(action, 0);
    graph.run();
    expect(new Set(action.get())).toEqual(new Set([1]));
  });
});
