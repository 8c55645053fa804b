/** Agents whose networks see normalised observations. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { InvalidValueError } from '../../lib/errors.js';
import type { Td3Options, Transition, TransitionBatch } from '../../lib/index.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import {
  decodeCheckpoint,
  encodeCheckpoint,
  encodeOnnxPolicy,
  encodePolicy,
  evaluate,
} from '../../lib/train/index.js';
import type { AgentState, SafeTensor } from '../../lib/train/index.js';
import { deviation, randomFloats, randomSource } from '../device/reference.js';
import { testDevice } from '../device/support.js';
import { PointEnvironment } from '../support/point-environment.js';
import { decodePolicy, forwardPolicy } from '../support/policy.js';
import { runModel } from '../support/run-model.js';

const size = 6;
const base: Td3Options = {
  observationSize: size,
  actionSize: 2,
  actionLow: [-1, 0],
  actionHigh: [1, 4],
  hiddenSizes: [24, 20],
  // No multiple of a tile.
  batchSize: 21,
  bufferSize: 500,
  learningStarts: 0,
  maskInterval: 3,
  learningRate: 0.01,
  device: testDevice,
  threads: 1,
  seed: 7,
  normalizeObservations: true,
};

const agents: Td3Agent[] = [];
afterEach(() => agents.splice(0).forEach((agent) => agent.close()));
function makeAgent(options: Partial<Td3Options> = {}): Td3Agent {
  const agent = new Td3Agent({ ...base, ...options });
  agents.push(agent);
  return agent;
}

/** Of a task whose components are of very different sizes; the last never varies. */
const centres = [0, 5, -30, 0.02, 100, 4];
const widths = [1, 2, 20, 0.01, 15, 0];

function drawTransitions(count: number, seed = 1): Transition[] {
  const random = randomSource(seed);
  const observation = () => centres.map((centre, i) => centre + widths[i]! * (2 * random() - 1));
  return Array.from({ length: count }, () => ({
    observation: observation(),
    action: [2 * random() - 1, 4 * random()],
    reward: random(),
    nextObservation: observation(),
    terminated: random() < 0.1,
  }));
}

function observe(agent: Td3Agent, transitions: readonly Transition[]): void {
  for (const transition of transitions) agent.observe(transition);
}

function weightsOf(agent: Td3Agent): unknown[] {
  const tensors = Object.entries(agent.state().tensors);
  return tensors.filter(([name]) => !name.startsWith('observation.')).map(([, { data }]) => data);
}

/** Rows of observations, normalised in float32 by the mean and variance that the agent has now. */
function normalizeRows(agent: Td3Agent, values: ArrayLike<number>): Float32Array {
  const { mean, variance } = agent.observationStatistics!;
  return Float32Array.from(values, (value, i) => {
    const c = i % size;
    const scale = variance[c] === 0 ? 1 : Math.fround(1 / Math.sqrt(variance[c]! + 1e-8));
    return Math.fround(Math.fround(value) - Math.fround(mean[c]!)) * scale;
  });
}

/** The batch that the agent's next update draws. */
function nextBatch({ device, replay, config, updates }: Td3Agent): TransitionBatch {
  const make = (columns: number) => device.matrix(config.batchSize, columns);
  const views = {
    observation: make(size),
    action: make(2),
    reward: make(1),
    nextObservation: make(size),
    discount: make(1),
  };
  replay.sample(config.seed, updates, views);
  const arrays = Object.entries(views).map(([name, matrix]) => [name, matrix.get()]);
  const { discount, ...batch } = Object.fromEntries(arrays) as Record<string, Float32Array>;
  const terminated = discount!.map((value) => (value === 0 ? 1 : 0));
  return { ...batch, terminated } as unknown as TransitionBatch;
}

/** What an agent without the option has to be given to learn what this one learns from a batch. */
function normalizeBatch(agent: Td3Agent, batch: TransitionBatch): TransitionBatch {
  const observation = normalizeRows(agent, batch.observation);
  return { ...batch, observation, nextObservation: normalizeRows(agent, batch.nextObservation) };
}

describe('learning', () => {
  test('from the replay buffer is learning from observations normalised as they are drawn', () => {
    const [agent, plain] = [makeAgent(), makeAgent({ normalizeObservations: false })];
    const transitions = drawTransitions(60);
    observe(agent, transitions.slice(0, 30));
    for (const transition of transitions.slice(30)) {
      agent.observe(transition);
      plain.learn(normalizeBatch(agent, nextBatch(agent)));
      agent.learn();
      expect(agent.trace()).toEqual(plain.trace());
    }
    expect(weightsOf(agent)).toEqual(weightsOf(plain));
    // The buffer itself has observations as they came.
    const rows = agent.replay.read(0, 1).subarray(0, size);
    expect(rows).toEqual(Float32Array.from(transitions[0]!.observation));
  });

  test('from batches of the caller, with noise or without, is alike', () => {
    const [agent, plain] = [makeAgent(), makeAgent({ normalizeObservations: false })];
    for (const [update, transition] of drawTransitions(24).entries()) {
      agent.observe(transition);
      const batch = nextBatch(agent);
      const options = [{}, { targetNoise: randomFloats(21 * 2, update) }][update % 2];
      plain.learn(normalizeBatch(agent, batch), options);
      agent.learn(update % 3 === 0 ? undefined : batch, options);
    }
    expect(weightsOf(agent)).toEqual(weightsOf(plain));
  });

  test('gives the same weights with any number of threads', () => {
    const runs = [1, 2, 3].map((threads) => {
      const agent = makeAgent({ threads });
      for (const transition of drawTransitions(40)) {
        agent.observe(transition);
        agent.learn();
      }
      return weightsOf(agent);
    });
    for (const run of runs) expect(run).toEqual(runs[0]);
  });
});

describe('statistics', () => {
  test('are of the observations before each step, and of none that is only acted on', () => {
    const agent = makeAgent();
    const transitions = drawTransitions(50);
    observe(agent, transitions);
    const { count, mean, variance } = agent.observationStatistics!;
    expect(count).toBe(50);
    centres.forEach((_, i) => {
      const column = transitions.map(({ observation }) => Math.fround(observation[i]!));
      const average = column.reduce((sum, x) => sum + x, 0) / 50;
      expect(mean[i]).toBeCloseTo(average, 10);
      expect(variance[i]).toBeCloseTo(
        column.reduce((sum, x) => sum + (x - average) ** 2, 0) / 50,
        9,
      );
    });
    agent.act(drawTransitions(1, 2)[0]!.observation, { explore: true });
    agent.learn();
    expect(() => agent.observe({ ...transitions[0]!, reward: NaN })).toThrow(/reward/);
    expect(agent.observationStatistics!.mean).toEqual(mean);
    expect(agent.observationStatistics!.count).toBe(50);
  });

  test('do not move while the agent is evaluated', async () => {
    const env = new PointEnvironment();
    const { observationSize, actionSize, actionLow, actionHigh } = env;
    const spaces = { observationSize, actionSize, actionLow, actionHigh };
    const agent = makeAgent({ ...spaces, learningStarts: 0 });
    let observation = env.reset({ seed: 1 });
    for (let step = 0; step < 20; step++) {
      const action = agent.act(observation, { explore: true });
      const result = env.step(action);
      agent.observe({ ...result, observation, action, nextObservation: result.observation });
      agent.learn();
      observation = result.terminated || result.truncated ? env.reset() : result.observation;
    }
    const before = agent.state();
    const first = await evaluate(agent, env, { episodes: 2, seed: 3 });
    expect(agent.state()).toEqual(before);
    expect(await evaluate(agent, env, { episodes: 2, seed: 3 })).toEqual(first);
  });

  test('are not there without the option, nor is any work for them', () => {
    const agent = makeAgent({ normalizeObservations: false });
    agent.device.normalize = () => {
      throw new Error('there is nothing to normalise');
    };
    observe(agent, drawTransitions(30));
    for (let update = 0; update < 4; update++) agent.learn();
    agent.learn(nextBatch(agent));
    expect(agent.observationStatistics).toBeUndefined();
    expect(Object.keys(agent.state().tensors).filter((name) => name.startsWith('obs'))).toEqual([]);
    expect(agent.config.normalizeObservations).toBe(false);
    const byDefault = { ...base };
    delete byDefault.normalizeObservations;
    agents.push(new Td3Agent(byDefault));
    expect(agents.at(-1)!.config.normalizeObservations).toBe(false);
  });
});

test.each<[string, Partial<Td3Options>]>([
  ['dense', { sparsity: 'dense' }],
  ['2:4', { sparsity: '2:4' }],
  ['1:4', { sparsity: '1:4' }],
  ['3:7', { sparsity: '3:7' }],
  ['a sparse actor alone', { actorSparsity: '1:2', criticSparsity: 'dense' }],
  ['hidden layers alone', { sparsity: '1:4', sparseLayers: 'hidden' }],
  ['transposable masks', { sparsity: '2:4', maskShape: 'transposable' }],
  ['straight-through gradients', { sparsity: '1:4', gradientRule: 'sr-ste' }],
])('exported policies take observations as act does: %s', async (_, options) => {
  const agent = makeAgent({ learningRate: 1e-3, ...options });
  for (const transition of drawTransitions(60)) {
    agent.observe(transition);
    agent.learn();
  }
  const policy = agent.policy();
  const observations = drawTransitions(9, 3).map(({ observation }) => Array.from(observation));
  const actions = observations.map((observation) => agent.act(observation));
  const origin = { env: 'Some-v0', sparsity: agent.config.actorSparsity, steps: 60 };
  const stored = decodePolicy(encodePolicy(policy, origin));
  const byOnnx = await runModel(encodeOnnxPolicy(policy), observations);
  observations.forEach((observation, i) => {
    // Means are up to 15 deviations large.
    expect(deviation(forwardPolicy(stored, observation), actions[i]!)).toBeLessThan(5e-6);
    expect(deviation(byOnnx[i]!, actions[i]!)).toBeLessThan(5e-6);
  });
  // They differ from one observation to the next, and weights that are not there stay so.
  expect(deviation(actions[0]!, actions[1]!)).toBeGreaterThan(1e-3);
  const mask = agent.networks.actor.read(0, 'mask');
  expect(policy.layers[0]!.weight.map((weight) => (weight === 0 ? 0 : 1))).toEqual(mask);
});

describe('a state', () => {
  /** Some more of the same: what is drawn, seen and acted on has to be the same. */
  function goOn(agent: Td3Agent): unknown[] {
    for (const transition of drawTransitions(8, 9)) {
      agent.observe(transition);
      agent.learn();
    }
    const action = agent.act(drawTransitions(1, 4)[0]!.observation, { explore: true });
    return [action, agent.state({ replay: true })];
  }

  function trained(): Td3Agent {
    const agent = makeAgent();
    observe(agent, drawTransitions(50));
    for (let update = 0; update < 7; update++) agent.learn();
    return agent;
  }

  test('goes on as the original does, bit for bit, where the agent was used before or not', () => {
    const original = trained();
    const state = original.state({ replay: true });
    const expected = goOn(original);
    const [fresh, used] = [makeAgent(), makeAgent({ seed: 7 })];
    observe(used, drawTransitions(20, 5));
    for (let update = 0; update < 5; update++) used.learn();
    for (const copy of [fresh, used]) {
      copy.loadState(state);
      expect(copy.observationStatistics!.count).toBe(50);
      expect(goOn(copy)).toEqual(expected);
    }
  });

  test('acts alike from a checkpoint, which has no replay buffer', () => {
    const original = trained();
    const { config, state } = decodeCheckpoint(encodeCheckpoint(original));
    const copy = makeAgent(config as Td3Options);
    copy.loadState(state);
    const { mean, variance } = original.observationStatistics!;
    expect(copy.observationStatistics).toMatchObject({ count: 50, mean, variance });
    const [{ observation }] = drawTransitions(1, 4) as [Transition];
    expect(copy.act(observation)).toEqual(original.act(observation));
    expect(copy.policy()).toEqual(original.policy());
  });

  const replaced = (name: string, change: object) => (state: AgentState) => {
    const tensor = { ...state.tensors[name], ...change } as SafeTensor;
    return { ...state, tensors: { ...state.tensors, [name]: tensor } };
  };
  const without = (name: string) => (state: AgentState) => {
    const { [name]: _, ...tensors } = state.tensors;
    return { ...state, tensors };
  };
  const odd = (value: number) => ({ data: new Float64Array(size).fill(value, 2) });

  test.each<[string, (state: AgentState) => AgentState, RegExp]>([
    [
      'no statistics',
      without('observation.mean'),
      /normalizeObservations to be false, as it was in the agent of the state, but received true/,
    ],
    [
      'no variance',
      without('observation.variance'),
      /tensor observation.variance to be of shape \[6\] but received undefined/,
    ],
    [
      'a mean that is NaN',
      replaced('observation.mean', odd(NaN)),
      /tensor observation.mean\[2\] to be a finite number but received NaN/,
    ],
    [
      'a mean that float32 does not hold',
      replaced('observation.mean', odd(1e39)),
      /tensor observation.mean\[2\] to be a number that float32 can hold/,
    ],
    [
      'a negative variance',
      replaced('observation.variance', odd(-1e-9)),
      /tensor observation.variance\[2\] to be a number from 0/,
    ],
    ['an infinite variance', replaced('observation.variance', odd(Infinity)), /variance\[2\]/],
    ['singles', replaced('observation.mean', { dtype: 'F32' }), /dtype of tensor observation.mean/],
    [
      'those of longer observations',
      replaced('observation.mean', { shape: [7], data: new Float64Array(7) }),
      /tensor observation.mean to be of shape \[6\] but received "\[7\]"/,
    ],
    [
      'a mean cut short',
      replaced('observation.mean', { data: new Float64Array(5) }),
      /data of tensor observation.mean to be an array of length 6/,
    ],
  ])('with %s is refused, and nothing has changed', (_, damage, message) => {
    const state = damage(trained().state({ replay: true }));
    const agent = makeAgent({ seed: 8 });
    observe(agent, drawTransitions(33, 6));
    for (let update = 0; update < 3; update++) agent.learn();
    const before = agent.state({ replay: true });
    expect(() => agent.loadState(state)).toThrow(message);
    expect(() => agent.loadState(state)).toThrow(InvalidValueError);
    expect(agent.state({ replay: true })).toEqual(before);
  });

  test('of an agent without the option fits no agent with it, nor the other way round', () => {
    const [normalizing, plain] = [trained(), makeAgent({ normalizeObservations: false })];
    expect(() => plain.loadState(normalizing.state())).toThrow(
      /Expected normalizeObservations to be true, as it was.*but received false.*same options/,
    );
    expect(() => normalizing.loadState(plain.state())).toThrow(
      /Expected normalizeObservations to be false/,
    );
    // Variances of numbers that float32 holds may be beyond it.
    const huge = makeAgent();
    for (const x of [3e38, 0]) {
      const observation = Array<number>(size).fill(x);
      const rest = { action: [0, 0], reward: 0, terminated: false };
      huge.observe({ observation, nextObservation: observation, ...rest });
    }
    const copy = makeAgent();
    copy.loadState(huge.state());
    expect(copy.observationStatistics!.variance).toEqual(huge.observationStatistics!.variance);
  });
});

test('other values of the option are refused', () => {
  expect(() => makeAgent({ normalizeObservations: 1 as never })).toThrow(
    'Expected normalizeObservations to be true or false but received 1 of type number',
  );
});
