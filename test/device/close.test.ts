/** What closing a device releases, and what becomes of the objects that JavaScript still has. */
import { describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { Device, loadAddon } from '../../lib/device/index.js';
import type { BatchMatrix } from '../../lib/device/index.js';
import { runTypeScript } from '../support/run-typescript.js';
import { onCpu, oneDenseLayer, openNative, testDevice } from './support.js';

const root = join(import.meta.dirname, '..', '..');
const open = () => new Device({ device: testDevice, threads: 2 });

/** A device with one of everything. */
function make() {
  const device = open();
  const mlp = device.mlp({ sizes: [3, 4, 1], patterns: [{ n: 2, m: 4 }, null] });
  const replay = device.replay({ capacity: 4, observationSize: 1, actionSize: 1 });
  const [x, y] = [device.matrix(2, 3), device.matrix(2, 1)];
  mlp.forward(x, y, { keep: true });
  replay.append(new Float32Array(replay.rowLength));
  const graph = device.capture(() => device.fill(y, 1));
  for (let i = 0; i < 3; i++) graph.run();
  return { device, mlp, replay, x, y, graph };
}

function batchOf(x: BatchMatrix, y: BatchMatrix) {
  const one = x.view(0, 1);
  return { observation: one, action: one, reward: y, nextObservation: one, discount: y };
}

const tdBatch = (y: BatchMatrix) => ({ reward: y, discount: y, nextQ: y, q: y });

describe('a closed device', () => {
  const { device, mlp, replay, x, y, graph } = make();
  device.close();
  const other = make();
  const range = { low: Float32Array.of(0), high: Float32Array.of(1), noiseScale: 1, noiseClip: 1 };
  const transition = { observation: [1], action: [1], reward: 1, nextObservation: [1] };
  test.each<[string, () => unknown]>([
    ['info', () => device.info],
    ['sparseChoices', () => device.sparseChoices()],
    ['matrix', () => device.matrix(1, 1)],
    ['mlp', () => device.mlp({ sizes: [1, 1] })],
    ['replay', () => device.replay({ capacity: 1, observationSize: 1, actionSize: 1 })],
    ['capture', () => device.capture(() => {})],
    ['fill', () => device.fill(x, 1)],
    ['fillNormal', () => device.fillNormal(x, 1, 1)],
    ['normalize', () => device.normalize(y, y)],
    ['smooth', () => device.smooth(y, y, range)],
    ['smooth by drawn noise', () => device.smooth(y, { seed: 1, stream: 1 }, range)],
    ['tdTarget', () => device.tdTarget({ reward: y, discount: y, q: y }, y)],
    ['mseGradient', () => device.mseGradient(y, y, y)],
    ['tdGradient', () => device.tdGradient(tdBatch(y), y, y)],
    ['device.polyak', () => device.polyak([{ target: mlp, source: mlp }], 1)],
    ['set', () => x.set(new Float32Array(6))],
    ['get', () => x.get()],
    ['forward', () => mlp.forward(x, y)],
    ['backward', () => mlp.backward(y)],
    ['adam', () => mlp.adam({ learningRate: 1, beta1: 0, beta2: 0, epsilon: 1 })],
    ['polyak', () => mlp.polyak(mlp, 1)],
    ['copyFrom', () => mlp.copyFrom(mlp)],
    ['a copy from one of its networks', () => other.mlp.copyFrom(mlp)],
    ['updateMasks', () => mlp.updateMasks()],
    ['followMasks', () => mlp.followMasks(mlp)],
    ['divergence', () => mlp.divergence(mlp)],
    ['read', () => mlp.read(0, 'weight')],
    ['write', () => mlp.write(0, 'weight', new Float32Array(12))],
    ['adamSteps', () => mlp.adamSteps],
    ['adamSteps =', () => (mlp.adamSteps = 1)],
    ['bytes', () => mlp.bytes],
    ['add', () => replay.add({ ...transition, discount: 1 })],
    ['append', () => replay.append(new Float32Array(replay.rowLength))],
    ['sample', () => replay.sample(1, 1, batchOf(x, y))],
    ['rows', () => replay.read(0, 1)],
    ['run', () => graph.run()],
  ])('%s is a clear error', (_, use) => {
    let error: unknown;
    try {
      use();
    } catch (thrown) {
      error = thrown;
    }
    const message = 'This device was closed: make a new one and load the last checkpoint';
    expect(error).toMatchObject({ name: 'RunError', message });
  });

  test('may be closed again, and so may what was made on it', () => {
    for (const made of [device, mlp, replay, x, graph, device]) made.close();
    expect(device.closed).toBe(true);
  });

  test('leaves other devices alone', () => {
    other.mlp.forward(other.x, other.y);
    expect([...other.y.get()].every(Number.isFinite)).toBe(true);
  });
});

test('single objects may be closed before their device, and are errors then', () => {
  const { device, mlp, x, y, graph } = make();
  const spare = device.matrix(2, 3);
  for (const made of [spare, spare, graph, graph]) made.close();
  expect(() => spare.get()).toThrow(/^Expected a matrix but received one that was closed$/);
  expect(() => mlp.forward(spare, y)).toThrow(/a matrix but received one that was closed/);
  // A device without graphs has nothing to close.
  if (!onCpu) expect(() => graph.run()).toThrow(/a graph but received one that was closed/);
  mlp.forward(x, y);
  const copy = device.mlp({ sizes: [3, 4, 1], patterns: [{ n: 2, m: 4 }, null] });
  mlp.close();
  mlp.close();
  expect(() => mlp.forward(x, y)).toThrow(/a network but received one that was closed/);
  expect(() => copy.copyFrom(mlp)).toThrow(/a network but received one that was closed/);
  copy.forward(x, y);
  expect([...y.get()].every(Number.isFinite)).toBe(true);
  device.close();
});

test('the native classes of a closed device throw, without the checks of TypeScript', () => {
  const { addon } = loadAddon();
  const native = openNative(addon);
  const matrix = new addon.Matrix(native, 2, 3);
  const spec = oneDenseLayer(3, 3);
  const network = new addon.Network(native, spec);
  network.forward(matrix, 0, 3, new addon.Matrix(native, 2, 3), 0, 3, 0, 1, true);
  // What is read of a specification may be anybody's code.
  const closing = Object.defineProperty({ ...spec }, 'seed', {
    get: () => {
      native.close();
      return 0;
    },
  });
  const attempts = [
    () => new addon.Network(native, closing),
    () => new addon.Matrix(native, 1, 1),
    () => new addon.Graph(native),
    () => new addon.Replay(native, 1, 1, 1),
    () => native.fill(matrix, 0, 1, 0),
    () => matrix.download(new Float32Array(6), 0, 3),
    () => network.bytes(),
  ];
  for (const attempt of attempts) expect(attempt).toThrow(/This device was closed/);
  for (const object of [matrix, network]) object.release();
  native.close();
});

(onCpu ? describe.skip : describe)('within a graph', () => {
  test('nothing can be closed, and the graph can be recorded afterwards', () => {
    const { device, mlp, replay, x, y } = make();
    const spare = device.capture(() => device.fill(x, 2));
    const closes: [() => void, RegExp][] = [
      [() => device.close(), /cannot record the release of its device: do it before or after/],
      [() => mlp.close(), /cannot record the release of a network/],
      [() => replay.close(), /cannot record the release of a replay buffer/],
      [() => x.close(), /cannot record the release of a matrix/],
      [() => spare.close(), /cannot record the release of a graph/],
    ];
    for (const [close, message] of closes) {
      let closing = false;
      const graph = device.capture(() => {
        device.fill(y, 5);
        if (closing) close();
      });
      graph.run();
      closing = true;
      expect(() => graph.run()).toThrow(message);
      closing = false;
      for (let i = 0; i < 3; i++) graph.run();
      closing = true;
      expect(() => graph.run()).toThrow(message);
      closing = false;
      device.fill(y, 0);
      graph.run();
      expect([...y.get()]).toEqual([5, 5]);
    }
    expect(device.closed).toBe(false);
    mlp.forward(x, y);
    device.close();
  });
});

/** The last line that a script prints. */
async function lastLine(file: string, args: string[], shell?: string): Promise<string> {
  const { ended } = runTypeScript(file, args, root, shell);
  const { code, signal, stdout, stderr } = await ended;
  const failure = code === 0 ? '' : stderr;
  expect({ code, signal, failure }).toEqual({ code: 0, signal: null, failure: '' });
  return stdout.trim().split('\n').at(-1)!;
}

test('devices may be closed during garbage collection and while workers have others', async () => {
  expect(await lastLine('test/device/closing-devices.ts', [testDevice])).toBe('done');
}, 120_000);

(onCpu ? test : test.skip)(
  'V8 collects what nobody closed before the host runs out',
  async () => {
    const atMost = Number(await lastLine('test/device/dropped-matrices.ts', []));
    // All of them are 2 GB.
    expect(atMost).toBeLessThan(1e9);
  },
  60_000,
);

const emulated = testDevice === 'cuda-emulated' ? test : test.skip;
emulated(
  'the memory of a GPU is free again, and devices in turn may need more than it has',
  async () => {
    const shell = 'export RNM_EMULATOR_FAIL=memory:100663296; exec';
    const line = await lastLine('test/device/emulated-memory.ts', [], shell);
    const { devices, agent, rounds } = JSON.parse(line) as Memory;
    for (const { before, meanwhile, after } of devices) {
      expect(after).toBe(before);
      // Two of them would not fit.
      expect(meanwhile).toBeLessThan(before / 2);
    }
    expect(agent.meanwhile).toBeLessThan(agent.before - 5000 * 9 * 4);
    expect(agent.after).toBe(agent.before);
    expect(rounds).toBe(6);
  },
  120_000,
);

/** Free bytes. */
interface Use {
  before: number;
  meanwhile: number;
  after: number;
}
interface Memory {
  devices: Use[];
  agent: Use;
  rounds: number;
}
