import { afterEach, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { InvalidValueError } from '../../lib/errors.js';
import type { Td3Options, Transition } from '../../lib/index.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import { decodeSafetensors, encodeSafetensors } from '../../lib/train/formats/safetensors.js';
import type { AgentState, SafeTensor } from '../../lib/train/index.js';
import { deviation, randomSource } from '../device/reference.js';
import { testDevice } from '../device/support.js';
import { nStepRows } from '../support/n-step-reference.js';
import type { SourceEvent, SourceStep } from '../support/n-step-reference.js';

const base: Td3Options = {
  observationSize: 3,
  actionSize: 2,
  actionLow: -1,
  actionHigh: 1,
  hiddenSizes: [8],
  batchSize: 16,
  bufferSize: 1000,
  learningStarts: 0,
  maskInterval: 3,
  // Sums of these rewards and powers of this are exact in float32, in any order.
  gamma: 0.5,
  device: testDevice,
  threads: 1,
};

const agents: Td3Agent[] = [];
afterEach(() => agents.splice(0).forEach((agent) => agent.close()));
function makeAgent(options: Partial<Td3Options> = {}): Td3Agent {
  const agent = new Td3Agent({ ...base, ...options });
  agents.push(agent);
  return agent;
}

/** Steps of several environments in turns, with ends of both kinds; `unit` is what rewards are multiples of. */
function randomSteps(count: number, sources: readonly number[], seed = 1, unit = 1 / 8) {
  const random = randomSource(seed);
  return Array.from({ length: count }, (_, i): SourceStep => {
    const [ended, cut] = [random() < 0.12, random() < 0.12];
    return {
      source: sources[Math.floor(random() * sources.length)]!,
      observation: [i, i + 0.25, -i],
      action: [random() - 0.5, random() - 0.5].map(Math.fround),
      reward: Math.round(32 * random() - 16) * unit,
      nextObservation: [i + 0.5, i + 0.75, 0.5 - i],
      terminated: ended,
      truncated: cut,
    };
  });
}

/** The agent is told each event, in arrays that are used again for the next. */
function observeAll(agent: Td3Agent, events: readonly SourceEvent[]): void {
  const [observation, nextObservation] = [new Float64Array(3), new Float64Array(3)];
  const action = new Float32Array(2);
  for (const event of events) {
    if ('cut' in event) {
      agent.cutEpisode(event.source);
      continue;
    }
    observation.set(event.observation);
    action.set(event.action);
    nextObservation.set(event.nextObservation);
    agent.observe({ ...event, observation, action, nextObservation });
    for (const array of [observation, action, nextObservation]) array.fill(NaN);
  }
}

const rowsOf = ({ replay }: Td3Agent) => replay.read(0, replay.size);

describe('the rows of the replay buffer are those of a plain computation', () => {
  test.each([1, 2, 3, 5, 20])('returns of %i steps', (nSteps) => {
    for (const sources of [[0], [0, 1], [4, 0, 17]]) {
      const steps = randomSteps(200, sources);
      const agent = makeAgent({ nSteps });
      observeAll(agent, steps);
      expect(agent.steps).toBe(200);
      expect(rowsOf(agent)).toEqual(nStepRows(steps, nSteps, 0.5));
      const lost = 200 - agent.replay.size;
      expect(lost).toBeLessThanOrEqual((nSteps - 1) * sources.length);
    }
  });

  test('with a discount and rewards that are rounded', () => {
    const steps = randomSteps(300, [0, 1, 2], 2, 0.123);
    const agent = makeAgent({ nSteps: 7, gamma: 0.97 });
    observeAll(agent, steps);
    const expected = nStepRows(steps, 7, 0.97);
    expect(rowsOf(agent)).toHaveLength(expected.length);
    expect(deviation(rowsOf(agent), expected)).toBeLessThan(1e-7);
  });

  test('windows longer than every episode', () => {
    const steps = randomSteps(100, [0, 3]);
    const agent = makeAgent({ nSteps: 1000 });
    observeAll(agent, steps);
    const rows = nStepRows(steps, 1000, 0.5);
    expect(rowsOf(agent)).toEqual(rows);
    expect(rows.length).toBeGreaterThan(0);
  });

  test('episodes that are cut: that of one environment, and those of all', () => {
    const quiet = { terminated: false, truncated: false };
    const steps = randomSteps(60, [0, 1, 2]).map((step) => ({ ...step, ...quiet }));
    const events: SourceEvent[] = [...steps];
    events.splice(
      20,
      0,
      { source: 1, cut: true },
      { source: 1, cut: true },
      { source: 9, cut: true },
    );
    events.splice(45, 0, { source: undefined, cut: true });
    const agent = makeAgent({ nSteps: 4 });
    observeAll(agent, events);
    expect(rowsOf(agent)).toEqual(nStepRows(events, 4, 0.5));
    agent.cutEpisode();
    expect(agent.replay.size).toBe(60);
    expect(agent.steps).toBe(60);
  });

  test('the default source is 0', () => {
    const steps = randomSteps(50, [0]);
    const agent = makeAgent({ nSteps: 3 });
    for (const { source: _, ...step } of steps) agent.observe(step);
    expect(rowsOf(agent)).toEqual(nStepRows(steps, 3, 0.5));
  });
});

describe('against recorded returns', () => {
  const path = new URL('../fixtures/n-step/n-step.json', import.meta.url);
  const { gamma, steps, returns } = JSON.parse(readFileSync(path, 'utf8')) as {
    gamma: number;
    steps: SourceStep[];
    returns: Record<string, [first: number, last: number, reward: number, discount: number][]>;
  };

  test.each(Object.keys(returns))('of %s steps', (nSteps) => {
    const agent = makeAgent({
      observationSize: 2,
      actionSize: 1,
      nSteps: Number(nSteps),
      gamma,
    });
    for (const step of steps) agent.observe(step);
    const expected = returns[nSteps]!.flatMap(([first, last, reward, discount]) => {
      const { observation, action } = steps[first]!;
      return [observation, action, reward, steps[last]!.nextObservation, discount].flatMap(
        (part) => (typeof part === 'number' ? part : Array.from(part)),
      );
    });
    expect(rowsOf(agent)).toEqual(Float32Array.from(expected));
  });
});

describe('learning from returns', () => {
  const step = (change: Partial<Transition> = {}): Transition => ({
    observation: [0.1, 0.2, 0.3],
    action: [0.5, -0.5],
    reward: 1,
    nextObservation: [0.4, 0.5, 0.6],
    terminated: false,
    ...change,
  });

  test('begins with the first return, and is not put off by what is pending', () => {
    const agent = makeAgent({ nSteps: 4, learningStarts: 2 });
    for (let i = 0; i < 3; i++) agent.observe(step());
    expect([agent.steps, agent.replay.size, agent.ready]).toEqual([3, 0, false]);
    expect(() => agent.learn()).toThrow(/none of the 3 steps .* nSteps/);
    agent.observe(step());
    expect([agent.steps, agent.replay.size, agent.ready]).toEqual([4, 1, true]);
    agent.learn();
    const late = makeAgent({ nSteps: 4, learningStarts: 6 });
    for (let i = 0; i < 5; i++) late.observe(step());
    expect(late.ready).toBe(false);
    late.observe(step());
    expect([late.replay.size, late.ready]).toEqual([3, true]);
  });

  test('the target is the sum of rewards, and the value discounted as often', () => {
    const targets = [1, 3].map((nSteps) => {
      const agent = makeAgent({ nSteps, policyNoise: 0, gamma: 0.9 });
      for (let i = 0; i < nSteps; i++) agent.observe(step({ reward: i + 1 }));
      agent.learn();
      return agent.trace().target[0]!;
    });
    const value = (targets[0]! - 1) / 0.9;
    expect(targets[1]).toBeCloseTo(1 + 0.9 * 2 + 0.81 * 3 + 0.729 * value, 5);
    const ended = makeAgent({ nSteps: 3, gamma: 0.9 });
    ended.observe(step({ reward: 4, terminated: true }));
    ended.learn();
    expect([...ended.trace().target]).toEqual(Array.from({ length: 16 }, () => 4));
  });

  test('a given batch is of single steps', () => {
    const batch = {
      observation: new Float32Array(48),
      action: new Float32Array(32),
      reward: new Float32Array(16),
      nextObservation: new Float32Array(48),
      terminated: new Float32Array(16),
    };
    const [one, three] = [1, 3].map((nSteps) => {
      const agent = makeAgent({ nSteps });
      agent.learn(batch);
      return agent.trace();
    });
    expect(three).toEqual(one);
  });

  test('what is wrong is refused, and nothing is remembered', () => {
    const agent = makeAgent({ nSteps: 3 });
    for (let i = 0; i < 2; i++) agent.observe(step({ reward: 2.4e38 / 2 ** i }));
    const before = agent.state({ replay: true });
    for (const [change, message] of [
      [{ reward: NaN }, /Expected reward to be a finite number/],
      [{ observation: [1, 2, NaN] }, /observation\[2\]/],
      [{ nextObservation: [1, 2] }, /nextObservation to be an array of length 3/],
      [{ terminated: 1 }, /Expected terminated to be a boolean but received 1 of type number/],
      [{ terminated: undefined }, /Expected terminated to be a boolean/],
      [{ truncated: 'no' }, /Expected truncated to be a boolean but received "no"/],
      [{ source: -1 }, /Expected source to be a non-negative integer but received -1/],
      [{ source: 0.5 }, /Expected source to be a non-negative integer/],
      // 2.4e38 + 0.6e38 + 0.85e38 is beyond float32, though no reward is.
      [{ reward: 3.4e38 }, /Expected the return of nSteps steps to be a number that float32 can/],
    ] as const) {
      expect(() => agent.observe(step(change as never))).toThrow(message);
      expect(() => agent.observe(step(change as never))).toThrow(InvalidValueError);
    }
    expect(() => agent.cutEpisode(-1)).toThrow(/Expected source to be a non-negative integer/);
    expect(() => agent.cutEpisode('0' as never)).toThrow(/source/);
    expect(agent.state({ replay: true })).toEqual(before);
    agent.observe(step({ reward: 0 }));
    expect(agent.replay.size).toBe(1);
    agent.close();
    expect(() => agent.observe(step())).toThrow(/closed/);
    expect(() => agent.cutEpisode()).toThrow(/closed/);
  });
});

describe('a state in the middle of episodes', () => {
  const sources = [2, 0, 5];
  const options = { nSteps: 4, learningStarts: 20, gamma: 0.97 };
  const steps = randomSteps(90, sources, 4, 0.1);
  const middle = 53;

  /** An agent that has learned from the first steps, of which some are pending. */
  function trained(): Td3Agent {
    const agent = makeAgent(options);
    observeAll(agent, steps.slice(0, middle));
    for (let update = 0; update < 5; update++) agent.learn();
    return agent;
  }

  function expectRows(agent: Td3Agent, events: readonly SourceEvent[]): void {
    const expected = nStepRows(events, 4, 0.97);
    expect(rowsOf(agent)).toHaveLength(expected.length);
    expect(deviation(rowsOf(agent), expected)).toBeLessThan(1e-7);
  }

  function goOn(agent: Td3Agent): AgentState {
    for (let at = middle; at < steps.length; at += 4) {
      observeAll(agent, steps.slice(at, at + 4));
      agent.learn();
    }
    agent.cutEpisode();
    return agent.state({ replay: true });
  }

  test('has what is pending, and the agent goes on bit for bit', () => {
    const original = trained();
    const state = original.state({ replay: true });
    const { windows } = JSON.parse(state.metadata['progress']!) as { windows: object[] };
    expect(windows.length).toBeGreaterThan(1);
    const copy = makeAgent(options);
    // What it has itself makes way.
    observeAll(copy, randomSteps(30, [0, 7], 9));
    copy.loadState(throughAFile(state));
    expect(copy.state({ replay: true })).toEqual(state);
    // It keeps nothing of the arrays that it was given.
    for (const { data } of Object.values(state.tensors)) (data as Float32Array).fill(7);
    const [expected, actual] = [goOn(original), goOn(copy)];
    expect(actual.tensors).toEqual(expected.tensors);
    expectRows(copy, [...steps, { source: undefined, cut: true }]);
  });

  test('without the replay buffer has none, and forgets those of the agent', () => {
    const state = trained().state();
    expect(Object.keys(state.tensors).filter((name) => name.startsWith('window'))).toEqual([]);
    const copy = makeAgent(options);
    observeAll(
      copy,
      steps.slice(0, 3).map((step) => ({ ...step, terminated: false, truncated: false })),
    );
    copy.loadState(state);
    copy.cutEpisode();
    expect(copy.replay.size).toBe(0);
    observeAll(copy, steps.slice(middle));
    expectRows(copy, steps.slice(middle));
  });

  type Progress = Record<string, unknown> & { windows: { source: number; steps: number }[] };
  const changed = (change: (progress: Progress) => object) => (state: AgentState) => {
    const progress = JSON.parse(state.metadata['progress'] ?? '') as Progress;
    return { ...state, metadata: { progress: JSON.stringify(change(progress)) } };
  };
  const firstWindow = (change: object) =>
    changed((progress) => {
      const [first, ...rest] = progress.windows;
      return { ...progress, windows: [{ ...first, ...change }, ...rest] };
    });
  const replaced = (part: string, change: object) => (state: AgentState) => {
    const name = Object.keys(state.tensors).find(
      (each) => /^(window|replay)/.test(each) && each.endsWith(part),
    )!;
    const tensor = { ...state.tensors[name], ...change } as SafeTensor;
    return { ...state, tensors: { ...state.tensors, [name]: tensor } };
  };
  const enormousRewards = (state: AgentState) => {
    const tensors = Object.entries(state.tensors).map(([name, tensor]) => {
      const { length } = tensor.data;
      return /^window.*reward$/.test(name)
        ? [name, { ...tensor, data: new Float64Array(length).fill(3e38) }]
        : [name, tensor];
    });
    return { ...state, tensors: Object.fromEntries(tensors) as AgentState['tensors'] };
  };
  const rowsWithDiscount = (discount: number) => (state: AgentState) => {
    const rows = state.tensors['replay.rows']!;
    const data = Float32Array.from(rows.data as Float32Array);
    data[rows.shape[1]! - 1] = discount;
    return replaced('rows', { data })(state);
  };

  test.each<[string, (state: AgentState) => AgentState, RegExp]>([
    [
      'rows of a version without windows',
      changed((p) => ({ ...p, windows: undefined })),
      /windows of the state to be a list but received undefined. .*another meaning/,
    ],
    ['a window that is nothing', changed((p) => ({ ...p, windows: [null] })), /source of a window/],
    ['a window of no environment', firstWindow({ source: -1 }), /source of a window.*-1/],
    [
      'a window of another environment',
      firstWindow({ source: 99 }),
      /window.99.action to be of shape/,
    ],
    [
      'a window without steps',
      firstWindow({ steps: 0 }),
      /steps of window 0 .*1 to nSteps - 1 \(3\).*0/,
    ],
    [
      'too long a window',
      firstWindow({ steps: 4 }),
      /steps of window 0 .*nSteps - 1 \(3\) but received 4/,
    ],
    ['half a step', firstWindow({ steps: 1.5 }), /steps of window 0 .*but received 1.5/],
    ['no actions', replaced('.action', { data: undefined }), /data of tensor window.0.action/],
    [
      'rewards of another type',
      replaced('.reward', { dtype: 'F32' }),
      /dtype of tensor window.0.reward.*F64/,
    ],
    [
      'observations that are NaN',
      replaced('.observation', { data: new Float32Array(3).fill(NaN) }),
      /window.0.observation/,
    ],
    [
      'another shape',
      replaced('.nextObservation', { shape: [3] }),
      /window.0.nextObservation to be of shape \[1, 3\]/,
    ],
    [
      'a reward that is infinite',
      replaced('.reward', { data: Float64Array.of(Infinity) }),
      /window.0.reward/,
    ],
    [
      'rewards of too large a sum',
      enormousRewards,
      /the return of nSteps steps to be a number that float32 can hold/,
    ],
    [
      'rows with a discount above 1',
      rowsWithDiscount(1.5),
      /replay.rows\[9\] to be a discount from 0 to 1/,
    ],
    [
      'rows with one below 0',
      rowsWithDiscount(-1),
      /replay.rows\[9\] to be a discount from 0 to 1/,
    ],
  ])('damaged, with %s, it is refused, and nothing has changed', (_, damage, message) => {
    const state = damage(trained().state({ replay: true }));
    const agent = makeAgent({ ...options, seed: 8 });
    observeAll(agent, steps.slice(0, 33));
    const before = agent.state({ replay: true });
    expect(() => agent.loadState(state)).toThrow(message);
    expect(() => agent.loadState(state)).toThrow(InvalidValueError);
    expect(agent.state({ replay: true })).toEqual(before);
  });
});

/** A state as it is read back from a safetensors file. */
function throughAFile({ tensors, metadata }: AgentState): AgentState {
  return decodeSafetensors(encodeSafetensors(tensors, metadata), 'a state');
}
