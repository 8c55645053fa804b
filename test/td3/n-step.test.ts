import { afterEach, describe, expect, test } from '@jest/globals';
import { Td3Agent } from '../../lib/td3/agent.js';
import type { Td3Options } from '../../lib/index.js';
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
