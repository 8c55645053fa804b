import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Td3Agent } from '../../lib/td3/agent.js';
import type { Td3Options, Transition } from '../../lib/index.js';
import { InvalidValueError } from '../../lib/errors.js';
import type { AgentState, SafeTensor } from '../../lib/train/index.js';
import { deviation, randomFloats, randomSource } from '../device/reference.js';
import { onCpu, testDevice } from '../device/support.js';

const base: Td3Options = {
  observationSize: 5,
  actionSize: 2,
  actionLow: [-1, 0],
  actionHigh: [1, 4],
  hiddenSizes: [24, 20],
  batchSize: 16,
  bufferSize: 500,
  learningStarts: 30,
  maskInterval: 3,
  learningRate: 0.01,
  sparseLayers: 'all',
  densityPower: 0,
  device: testDevice,
  threads: 1,
  seed: 7,
};

// Each has a device of its own, and many together more than the emulated GPU's memory: those that a test
// makes are closed after it, those made before all tests at the end.
const agents: Td3Agent[] = [];
const shared: Td3Agent[] = [];
const closeAll = (made: Td3Agent[]) => made.splice(0).forEach((agent) => agent.close());
beforeAll(() => void shared.push(...agents.splice(0)));
afterEach(() => closeAll(agents));
afterAll(() => closeAll(shared));
function makeAgent(options: Partial<Td3Options> = {}): Td3Agent {
  const agent = new Td3Agent({ ...base, ...options });
  agents.push(agent);
  return agent;
}

function observeRandom(agent: Td3Agent, count: number, seed = 1): void {
  const random = randomSource(seed);
  const vector = (length: number) => Array.from({ length }, () => 2 * random() - 1);
  for (let i = 0; i < count; i++) {
    agent.observe({
      observation: vector(5),
      action: [2 * random() - 1, 4 * random()],
      reward: random(),
      nextObservation: vector(5),
      terminated: random() < 0.1,
    });
  }
}

function weightsOf(agent: Td3Agent): Float32Array[] {
  return Object.values(agent.state().tensors).map(({ data }) => data as Float32Array);
}

describe('acting', () => {
  const observation = randomFloats(5, 1);

  test('without exploration it is the policy, whatever came before', () => {
    const agent = makeAgent();
    const action = agent.act(observation);
    agent.act(observation, { explore: true });
    expect(agent.act(observation)).toEqual(action);
    const { layers } = agent.policy();
    let x = [...observation];
    layers.forEach(({ weight, bias, inSize, outSize }, l) => {
      x = Array.from({ length: outSize }, (_, o) => {
        const row = weight.subarray(o * inSize, (o + 1) * inSize);
        const sum = row.reduce((s, w, i) => s + w * x[i]!, bias[o]!);
        return l === layers.length - 1 ? Math.tanh(sum) : Math.max(sum, 0);
      });
    });
    expect(deviation(action, [x[0]!, 2 + 2 * x[1]!])).toBeLessThan(1e-6);
  });

  test('during warm-up it is uniform over the action range', () => {
    const agent = makeAgent();
    const actions = Array.from({ length: 2000 }, () => agent.act(observation, { explore: true }));
    const column = (i: number) => actions.map((a) => a[i]!).toSorted((a, b) => a - b);
    expect(column(0)[0]).toBeGreaterThanOrEqual(-1);
    expect(column(0)[1000]).toBeCloseTo(0, 0);
    expect(column(1)[0]).toBeLessThan(0.1);
    expect(column(1)[1999]).toBeGreaterThan(3.9);
    expect(column(1)[1999]).toBeLessThanOrEqual(4);
  });

  test('after it, noise has the deviation asked for, in half ranges, and is clipped', () => {
    const agent = makeAgent({ learningStarts: 0, explorationNoise: 0.05 });
    const mean = agent.act(observation);
    const noise = Array.from({ length: 4000 }, () => {
      const action = agent.act(observation, { explore: true });
      return [(action[0]! - mean[0]!) / 1, (action[1]! - mean[1]!) / 2];
    });
    for (const i of [0, 1]) {
      const square = noise.reduce((sum, n) => sum + n[i]! ** 2, 0) / noise.length;
      expect(Math.sqrt(square)).toBeCloseTo(0.05, 2);
    }
    const wild = makeAgent({ learningStarts: 0, explorationNoise: 100 });
    for (let i = 0; i < 50; i++) {
      const action = wild.act(observation, { explore: true });
      expect(Math.abs(action[0]!)).toBeLessThanOrEqual(1);
      expect(action[1]).toBeGreaterThanOrEqual(0);
      expect(action[1]).toBeLessThanOrEqual(4);
    }
  });

  test('the noise may be an expression of the step', () => {
    const agent = makeAgent({ learningStarts: 0, explorationNoise: '0.2 * exp(-t / 10)' });
    expect(agent.metrics()['explorationNoise']).toBeCloseTo(0.2, 6);
    observeRandom(agent, 10);
    expect(agent.metrics()['explorationNoise']).toBeCloseTo(0.2 / Math.E, 6);
  });
});

describe('learning', () => {
  test('waits for the warm-up and for transitions', () => {
    const agent = makeAgent();
    expect(() => agent.learn()).toThrow(/observe\(\) before learn\(\)/);
    observeRandom(agent, 29);
    expect(agent.ready).toBe(false);
    observeRandom(agent, 1);
    expect(agent.ready).toBe(true);
    agent.learn();
    expect(agent.updates).toBe(1);
    expect(agent.steps).toBe(30);
  });

  test('a restored agent gathers transitions anew before it learns', () => {
    const agent = makeAgent();
    observeRandom(agent, 40);
    const copy = makeAgent();
    copy.loadState(agent.state());
    observeRandom(copy, 29);
    expect(copy.ready).toBe(false);
    observeRandom(copy, 1);
    expect(copy.ready).toBe(true);
  });

  test('the policy delay holds the actor and all targets back', () => {
    const agent = makeAgent({ policyDelay: 3, maskInterval: 100 });
    observeRandom(agent, 40);
    const { actor, actorTarget, critics, criticTargets } = agent.networks;
    const read = () => [actor, actorTarget, critics, criticTargets].map((n) => n.read(0, 'weight'));
    for (let update = 1; update <= 6; update++) {
      const before = read();
      agent.learn();
      const changed = read().map((weights, i) => deviation(weights, before[i]!) > 0);
      const due = update % 3 === 0;
      expect(changed).toEqual([due, due, true, due]);
    }
  });

  test('a truncated transition is bootstrapped, a terminated one is not', () => {
    for (const terminated of [false, true]) {
      const agent = makeAgent({ learningStarts: 0 });
      const t: Transition = {
        observation: randomFloats(5, 1),
        action: [0, 1],
        reward: 3,
        nextObservation: randomFloats(5, 2),
        terminated,
        truncated: !terminated,
      };
      agent.observe(t);
      agent.learn();
      const { target } = agent.trace();
      expect(target.every((y) => y === 3)).toBe(terminated);
    }
  });

  test('all six networks keep their pattern, and masks move at the interval', () => {
    const agent = makeAgent({ sparsity: '1:4', learningRate: 0.05 });
    observeRandom(agent, 60);
    for (let update = 1; update <= 12; update++) {
      const before = agent.networks.critics.read(1, 'mask');
      agent.learn();
      const flips = deviation(agent.networks.critics.read(1, 'mask'), before);
      if (update % 3 !== 0) expect(flips).toBe(0);
    }
    expect(agent.metrics()['maskChanges/critics']).toBeGreaterThan(0);
    for (const [name, { shape, data }] of Object.entries(agent.state().tensors)) {
      if (!name.endsWith('mask')) continue;
      const active = (data as Uint8Array).reduce((sum, entry) => sum + entry, 0);
      const columns = shape[1]!;
      const perRow = Math.floor(columns / 4) + Math.min(1, columns % 4);
      expect([name, active]).toEqual([name, shape[0]! * perRow]);
    }
  });

  test('following targets have the masks of the online networks', () => {
    const follow = makeAgent({
      sparsity: '2:4',
      targetMask: 'follow',
      learningRate: 0.05,
      tau: 0.001,
    });
    const project = makeAgent({ sparsity: '2:4', learningRate: 0.05, tau: 0.001 });
    for (const agent of [follow, project]) {
      observeRandom(agent, 60);
      for (let update = 0; update < 12; update++) agent.learn();
    }
    expect(follow.metrics()['sad/critic2']).toBe(0);
    expect(project.metrics()['sad/critic2']).toBeGreaterThan(0);
  });

  test.each(['project', 'follow'] as const)(
    'transposable masks stay so in all networks: %s',
    (targetMask) => {
      const options = { sparsity: '2:4', maskShape: 'transposable', targetMask } as const;
      const agent = makeAgent({ ...options, learningRate: 0.05 });
      observeRandom(agent, 60);
      for (let update = 0; update < 12; update++) agent.learn();
      expect(agent.metrics()['maskChanges/critics']).toBeGreaterThan(0);
      expect(agent.metrics()['density/actor']).toBeLessThan(0.6);
      const masks = Object.entries(agent.state().tensors).filter(([name]) => name.endsWith('mask'));
      expect(masks).toHaveLength(6 * 3);
      for (const [name, { shape, data }] of masks) {
        const [outputs, inputs] = shape as [number, number];
        const crowded: string[] = [];
        for (let column = 0; column < inputs - (inputs % 4); column++) {
          for (let top = 0; top < outputs; top += 4) {
            const own = Array.from(data as Uint8Array).filter(
              (_, i) => i % inputs === column && Math.floor(i / inputs / 4) === top / 4,
            );
            if (own.filter((entry) => entry === 1).length > 2)
              crowded.push(`${name} ${column} ${top}`);
          }
        }
        expect(crowded).toEqual([]);
      }
      const copy = makeAgent(options);
      copy.loadState(agent.state());
      expect(weightsOf(copy)).toEqual(weightsOf(agent));
    },
  );

  test('patterns may differ between actor and critics, and spare the outer layers', () => {
    const agent = makeAgent({
      actorSparsity: 'dense',
      criticSparsity: '2:4',
      sparseLayers: 'hidden',
    });
    expect(agent.metrics()['density/actor']).toBe(1);
    const density = (layer: number) => {
      const mask = agent.networks.critics.read(layer, 'mask');
      return mask.reduce((sum, entry) => sum + entry, 0) / mask.length;
    };
    expect([density(0), density(1), density(2)]).toEqual([1, 0.5, 1]);
  });

  test('the critics fit a known value: reward 1 for ever is worth 1 / (1 - gamma)', () => {
    const agent = makeAgent({ learningStarts: 0, gamma: 0.5, tau: 0.1, learningRate: 0.003 });
    for (let i = 0; i < 100; i++) {
      const [observation, nextObservation] = [randomFloats(5, i), randomFloats(5, i + 1)];
      const action = [0.5, 2];
      agent.observe({ observation, action, reward: 1, nextObservation, terminated: false });
    }
    for (let update = 0; update < 600; update++) agent.learn();
    expect(agent.metrics()['q1Mean']).toBeCloseTo(2, 0);
    expect(agent.metrics()['criticLoss']).toBeLessThan(0.1);
  });

  test('the actor climbs: it finds the action that pays', () => {
    const agent = makeAgent({
      learningStarts: 0,
      bufferSize: 2000,
      policyNoise: 0.1,
      sparsity: '2:4',
    });
    const random = randomSource(3);
    for (let i = 0; i < 1000; i++) {
      const observation = Array.from({ length: 5 }, () => random() - 0.5);
      const action = [2 * random() - 1, 4 * random()];
      const reward = -((action[0]! - 0.4) ** 2) - ((action[1]! - 3) / 2) ** 2;
      const nextObservation = observation;
      agent.observe({ observation, action, reward, nextObservation, terminated: true });
    }
    for (let update = 0; update < 1500; update++) agent.learn();
    const action = agent.act([0.1, -0.2, 0.3, 0, 0.1]);
    expect(Math.abs(action[0]! - 0.4)).toBeLessThan(0.2);
    expect(Math.abs(action[1]! - 3)).toBeLessThan(0.4);
  });
});

describe('the same seed gives the same run, bit for bit', () => {
  const run = (options: Partial<Td3Options>) => {
    const agent = makeAgent(options);
    observeRandom(agent, 40);
    for (let update = 0; update < 8; update++) agent.learn();
    return weightsOf(agent);
  };

  test('also with another number of threads', () => {
    const once = run({});
    expect(run({})).toEqual(once);
    expect(run({ threads: 2 })).toEqual(once);
    expect(run({ seed: 8 })).not.toEqual(once);
  });

  test('also when it is saved and restored in between', () => {
    const whole = makeAgent({ maskInterval: 5 });
    observeRandom(whole, 40);
    for (let update = 0; update < 7; update++) whole.learn();
    const copy = makeAgent({ maskInterval: 5 });
    copy.loadState(whole.state({ replay: true }));
    expect([copy.steps, copy.updates]).toEqual([40, 7]);
    const observation = randomFloats(5, 4);
    for (const agent of [whole, copy]) {
      for (let update = 0; update < 7; update++) agent.learn();
    }
    expect(weightsOf(copy)).toEqual(weightsOf(whole));
    const explore = { explore: true };
    expect(copy.act(observation, explore)).toEqual(whole.act(observation, explore));
  });
});

describe('a state with its replay buffer', () => {
  /** An agent whose small ring has gone round, and what it has learned from it. */
  function trained(bufferSize = 50): Td3Agent {
    const agent = makeAgent({ bufferSize });
    observeRandom(agent, 70);
    for (let update = 0; update < 7; update++) agent.learn();
    return agent;
  }

  /** Some more of the same: new transitions take the places of the oldest. */
  function goOn(agent: Td3Agent): Float32Array[] {
    for (let update = 0; update < 6; update++) {
      observeRandom(agent, 3, 40 + update);
      agent.learn();
    }
    return weightsOf(agent);
  }

  test('goes on as the original does, also when the ring has gone round', () => {
    const original = trained();
    const state = original.state({ replay: true });
    const copy = makeAgent({ bufferSize: 50 });
    copy.loadState(state);
    expect(copy.replay.next).toBe(20);
    expect(copy.replay.read(0, 50)).toEqual(original.replay.read(0, 50));
    expect(goOn(copy)).toEqual(goOn(original));
  });

  test('replaces what a used agent has, be it more or less', () => {
    for (const [saved, used] of [
      [20, 45],
      [45, 20],
      [45, 70],
      [70, 45],
      [70, 60],
    ] as const) {
      const original = makeAgent({ bufferSize: 50 });
      observeRandom(original, saved);
      const copy = makeAgent({ bufferSize: 50 });
      observeRandom(copy, used, 2);
      for (let update = 0; update < 7; update++) copy.learn();
      copy.loadState(original.state({ replay: true }));
      expect(copy.replay.size).toBe(Math.min(saved, 50));
      expect(goOn(copy)).toEqual(goOn(original));
    }
  });

  test('keeps the newest rows where the buffer is smaller, and all where it is larger', () => {
    const original = trained();
    const state = original.state({ replay: true });
    const [small, large] = [makeAgent({ bufferSize: 40 }), makeAgent({ bufferSize: 60 })];
    small.loadState(state);
    large.loadState(state);
    expect(small.replay.read(0, 40)).toEqual(original.replay.read(10, 40));
    expect(large.replay.read(0, 50)).toEqual(original.replay.read(0, 50));
    expect(large.replay.next).toBe(50);
  });

  test('without one, the agent keeps its own buffer', () => {
    const copy = makeAgent();
    observeRandom(copy, 12);
    copy.loadState(trained().state());
    expect(copy.replay.size).toBe(12);
  });

  type Progress = Record<string, unknown>;
  const changed = (change: (progress: Progress) => Progress) => (state: AgentState) => {
    const progress = JSON.parse(state.metadata['progress'] ?? '') as Progress;
    return { ...state, metadata: { progress: JSON.stringify(change(progress)) } };
  };
  const replaced = (name: string, change: object) => (state: AgentState) => {
    const tensor = { ...state.tensors[name], ...change } as SafeTensor;
    return { ...state, tensors: { ...state.tensors, [name]: tensor } };
  };
  const nothing = () => undefined as never;

  test.each<[string, (state: AgentState) => AgentState, RegExp]>([
    ['no state', nothing, /state to be what agent.state\(\) returned but received undefined/],
    ['an empty object', () => ({}) as never, /state to be what agent.state\(\) returned/],
    ['no random numbers', changed((p) => ({ ...p, random: undefined })), /metadata.progress/],
    [
      'random numbers that are all zero',
      changed((p) => ({ ...p, random: { words: [0, 0, 0, 0], spareNormal: null } })),
      /metadata.progress/,
    ],
    ['a mask update to come', changed((p) => ({ ...p, lastMaskUpdate: 1e9 })), /progress/],
    ['no Adam steps', changed((p) => ({ ...p, adamSteps: undefined })), /progress/],
    ['a place out of the ring', changed((p) => ({ ...p, replayNext: 51 })), /replayNext.*50/],
    [
      'weights that are NaN',
      replaced('critic2_target.2.weight', { data: new Float32Array(20).fill(NaN) }),
      /tensor critic2_target.2.weight\[0\] to be a finite number but received NaN/,
    ],
    [
      'weights cut short',
      replaced('actor.1.weight', { data: new Float32Array(3) }),
      /data of tensor actor.1.weight to be an array of length 480/,
    ],
    ['no weights', replaced('actor.1.weight', { data: undefined }), /data of tensor actor.1/],
    ['another type', replaced('actor.1.weight', { dtype: 'F64' }), /dtype of tensor actor.1.*F64/],
    [
      'a mask of fives',
      replaced('critic2.2.mask', { data: new Uint8Array(20).fill(5) }),
      /critic2.2.mask to be a mask of zeros and ones/,
    ],
    [
      'rows that are NaN',
      replaced('replay.rows', { data: new Float32Array(700).fill(NaN) }),
      /tensor replay.rows\[0\].*NaN/,
    ],
    ['rows of doubles', replaced('replay.rows', { dtype: 'F64' }), /dtype of tensor replay.rows/],
    [
      'rows cut short',
      replaced('replay.rows', { data: new Float32Array(690) }),
      /data of tensor replay.rows to be an array of length 700/,
    ],
    [
      'rows of another width',
      replaced('replay.rows', { shape: [70, 10] }),
      /replay.rows to be of shape \[70, 14\] but received "\[70, 10\]"/,
    ],
    ['rows without a shape', replaced('replay.rows', { shape: 'x' }), /replay.rows to be of shape/],
  ])('%s: it is refused, and nothing has changed', (_, damage, message) => {
    const state = damage(trained().state({ replay: true }));
    const agent = makeAgent({ bufferSize: 50, seed: 8 });
    observeRandom(agent, 33);
    for (let update = 0; update < 3; update++) agent.learn();
    const before = agent.state({ replay: true });
    expect(() => agent.loadState(state)).toThrow(message);
    expect(() => agent.loadState(state)).toThrow(InvalidValueError);
    expect(agent.state({ replay: true })).toEqual(before);
  });
});

describe('bad input is named, and changes nothing', () => {
  const agent = makeAgent();
  const good: Transition = {
    observation: new Float32Array(5),
    action: new Float32Array(2),
    reward: 0,
    nextObservation: new Float32Array(5),
    terminated: false,
  };

  test('transitions', () => {
    const bad = (change: Partial<Transition>) => () => agent.observe({ ...good, ...change });
    expect(bad({ observation: [1, NaN, 0, 0, 0] })).toThrow(/observation\[1\].*NaN/);
    expect(bad({ nextObservation: [1, 0, 0, 0, Infinity] })).toThrow(/nextObservation\[4\]/);
    expect(bad({ reward: NaN })).toThrow(/Expected reward to be a finite number but received NaN/);
    // Finite as doubles only: they would be Infinity in the replay buffer.
    const tooLarge = /to be a number that float32 can hold \(up to 3.4e38\) but received -?1e\+39/;
    expect(bad({ reward: 1e39 })).toThrow(tooLarge);
    expect(bad({ observation: [0, 0, -1e39, 0, 0] })).toThrow(tooLarge);
    expect(bad({ nextObservation: [1e39, 0, 0, 0, 0] })).toThrow(/nextObservation\[0\]/);
    expect(bad({ action: [0, 1e39] })).toThrow(/action\[1\]/);
    expect(bad({ reward: 1n as never })).toThrow(/reward to be a finite number but received 1 of/);
    expect(bad({ action: [1] })).toThrow(/Expected action to be an array of length 2/);
    expect(bad({ observation: undefined as never })).toThrow(/observation/);
    expect(agent.steps).toBe(0);
    expect(agent.replay.size).toBe(0);
  });

  test('observations, batches and noise', () => {
    expect(() => agent.act([1, 2])).toThrow(/length 5/);
    expect(() => agent.act([1, 2, 3, 4, NaN])).toThrow(/observation\[4\]/);
    const batch = {
      observation: new Float32Array(80),
      action: new Float32Array(32),
      reward: new Float32Array(16),
      nextObservation: new Float32Array(80),
      terminated: new Float32Array(16),
    };
    expect(() => agent.learn({ ...batch, reward: [1] })).toThrow(/reward.*16 x 1/);
    expect(() => agent.act([1, 2, 3, 4, 1e39])).toThrow(/observation\[4\].*float32/);
    const reward = new Float64Array(16).fill(1e39);
    expect(() => agent.learn({ ...batch, reward })).toThrow(/reward\[0\].*float32/);
    expect(() => agent.learn(batch, { targetNoise: [1] })).toThrow(/targetNoise/);
    expect(agent.updates).toBe(0);
    agent.learn(batch);
    expect(agent.updates).toBe(1);
  });

  test('arguments that are no objects', () => {
    const observation = new Float32Array(5);
    expect(() => agent.act(observation, null as never)).toThrow(/options of act to be an object/);
    expect(() => agent.observe(undefined as never)).toThrow(/transition to be an object but rec/);
    expect(() => agent.learn(null as never)).toThrow(
      /batch to be a batch of transitions, or undef/,
    );
    expect(() => agent.learn(undefined, null as never)).toThrow(/options of learn to be an object/);
    expect(() => agent.state(null as never)).toThrow(/options of state to be an object/);
    expect(() => new Td3Agent(base, {} as never)).toThrow(/device to be a Device, or nothing for/);
  });

  test('states of other agents', () => {
    const other = makeAgent({ hiddenSizes: [24, 16] });
    const before = weightsOf(agent);
    expect(() => agent.loadState(other.state())).toThrow(/actor.1.mask.*\[20, 24\]/);
    expect(() => agent.loadState({ tensors: {}, metadata: {} })).toThrow(/progress/);
    const sameShape = makeAgent({ sparsity: '2:4' });
    expect(() => agent.loadState(sameShape.state())).toThrow(/active entries/);
    expect(weightsOf(agent)).toEqual(before);
  });

  test('states with masks of another shape, though those of the first layer fit', () => {
    const spaces = { observationSize: 2, sparsity: '1:4' };
    const rowWise = makeAgent({ ...spaces, seed: 8 });
    const transposable = makeAgent({ ...spaces, maskShape: 'transposable' });
    const before = weightsOf(transposable);
    expect(() => transposable.loadState(rowWise.state())).toThrow(
      /Expected a transposable mask to have at most 1 active entries in column \d+, rows/,
    );
    expect(weightsOf(transposable)).toEqual(before);
    rowWise.loadState(transposable.state());
    expect(weightsOf(rowWise)).toEqual(before);
  });

  test('a closed agent', () => {
    const closed = makeAgent();
    closed.close();
    expect(() => closed.act([1, 2, 3, 4, 5])).toThrow(/closed/);
    expect(() => closed.observe(good)).toThrow(/closed/);
    expect(() => closed.learn()).toThrow();
  });
});

(onCpu ? test : test.skip)('what only a GPU heeds is said to have no effect on a CPU', () => {
  expect(makeAgent().notices()).toEqual([]);
  expect(makeAgent({ precision: 'bf16', sparse: 'never' }).notices()).toEqual([
    'Without effect on the CPU, which computes in float32: precision "bf16", sparse "never"',
  ]);
});

(onCpu ? test.skip : test)('sparse tensor cores can be left out', () => {
  const layers: Partial<Td3Options> = { hiddenSizes: [64, 64], batchSize: 32, precision: 'bf16' };
  for (const [sparse, expected] of [
    ['always', 'sparse'],
    ['never', 'dense'],
  ] as const) {
    const agent = makeAgent({ ...layers, sparsity: '2:4', sparse });
    observeRandom(agent, 40);
    agent.learn();
    const chosen = agent.device.sparseChoices().map((choice) => choice.chosen);
    expect(chosen.includes('sparse')).toBe(expected === 'sparse');
  }
});
