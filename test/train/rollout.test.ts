import { afterEach, describe, expect, test } from '@jest/globals';
import type { OverlappedEnvironment } from '../../lib/envs/worker-environment.js';
import type { StepResult } from '../../lib/envs/environment.js';
import { Td3Agent } from '../../lib/td3/agent.js';
import { train } from '../../lib/train/index.js';
import type { TrainableAgent, TrainOptions } from '../../lib/train/index.js';
import { deviation } from '../device/reference.js';
import { LinearAgent } from '../support/linear-agent.js';
import { nStepRows } from '../support/n-step-reference.js';
import type { SourceEvent, SourceStep } from '../support/n-step-reference.js';
import { PointEnvironment } from '../support/point-environment.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();

/** A point that steps between `begin` and `finish`, and tells what happened in between. */
class OverlappedPoint extends PointEnvironment implements OverlappedEnvironment {
  #begun: ArrayLike<number> | undefined;

  constructor(readonly log: string[] = []) {
    super();
  }

  begin(action: ArrayLike<number>): void {
    this.log.push('begin');
    this.#begun = action;
  }

  finish(): StepResult {
    this.log.push('finish');
    return this.step(this.#begun ?? []);
  }
}

function run(
  count: number,
  agent: TrainableAgent,
  changes: Partial<TrainOptions> = {},
  log?: string[],
) {
  const overlapped = Array.from({ length: count }, () => new OverlappedPoint(log));
  const options = { steps: 100, evalInterval: 30, evalEpisodes: 1, logInterval: 10, seed: 3 };
  const env = new PointEnvironment();
  const evalEnv = new PointEnvironment();
  return train({ ...options, env, evalEnv, agent, overlapped, out: newFolder(), ...changes });
}

describe('environments that step while the agent learns', () => {
  test.each([1, 3, 7])('%i of them: every step is counted once, with one update', async (count) => {
    const agent = new LinearAgent({ learningStarts: 20 });
    const result = await run(count, agent);
    expect(agent.steps).toBe(100);
    expect(result.steps).toBe(100);
    // Updates begin with the round after the warm-up is complete.
    const warmUp = Math.ceil(20 / count) * count;
    expect(agent.updates).toBe(100 - warmUp);
    // An evaluation comes with the first round that reaches the end of its interval.
    const steps = [30, 60, 90].map((end) => Math.min(100, Math.ceil(end / count) * count));
    expect(result.evaluations.map(({ step }) => step)).toEqual([...steps, 100]);
  });

  test('an evaluation in another environment leaves their episodes alone', async () => {
    const overlapped = [new OverlappedPoint(), new OverlappedPoint()];
    const env = new PointEnvironment();
    const result = await run(2, new LinearAgent(), { env, evalEnv: undefined, overlapped });
    expect(result.evaluations.length).toBeGreaterThan(2);
    // Each began with a seed, and none after it.
    for (const { seeds } of overlapped) expect(seeds).toHaveLength(1);
    expect(env.seeds).toHaveLength(result.evaluations.length);
  });

  test('an evaluation in one of them begins its episode anew', async () => {
    const overlapped = [new OverlappedPoint(), new OverlappedPoint()];
    const result = await run(2, new LinearAgent(), { evalEnv: overlapped[1], overlapped });
    expect(overlapped[0]?.seeds).toHaveLength(1);
    expect(overlapped[1]?.seeds).toHaveLength(1 + 2 * result.evaluations.length);
  });

  test('updates lie between the beginning and the end of the steps', async () => {
    const log: string[] = [];
    const agent = new LinearAgent({ learningStarts: 0 });
    const learn = agent.learn.bind(agent);
    agent.learn = () => {
      log.push('learn');
      learn();
    };
    await run(2, agent, { steps: 6 }, log);
    const round = ['begin', 'begin', 'learn', 'learn', 'finish', 'finish'];
    expect(log.slice(-12)).toEqual([...round, ...round]);
  });

  test('the same seed gives the same run', async () => {
    const once = new LinearAgent({ learningStarts: 10 });
    const again = new LinearAgent({ learningStarts: 10 });
    await run(3, once);
    await run(3, again);
    expect(again.transitions).toEqual(once.transitions);
  });

  test('each has episodes of its own', async () => {
    const agent = new LinearAgent({ learningStarts: 0 });
    await run(2, agent);
    // Lanes take turns: a lane's next observation is its own two transitions later.
    agent.transitions.slice(0, -2).forEach(({ nextObservation, terminated, truncated }, i) => {
      if (terminated || truncated) return;
      expect(agent.transitions[i + 2]?.observation).toEqual(nextObservation);
    });
  });

  test('one of another shape is refused', async () => {
    const odd = Object.assign(new OverlappedPoint(), { actionSize: 9 });
    const agent = new LinearAgent();
    await expect(run(1, agent, { overlapped: [odd] })).rejects.toThrow(
      /overlapped\[0\].actionSize/,
    );
  });
});

/** What an agent is told while it is trained, copied. */
function recordEvents(agent: Td3Agent): SourceEvent[] {
  const events: SourceEvent[] = [];
  const observe = agent.observe.bind(agent);
  const cutEpisode = agent.cutEpisode.bind(agent);
  agent.observe = (transition) => {
    const { observation, action, nextObservation, source = 0, truncated = false } = transition;
    events.push({
      ...transition,
      source,
      truncated,
      observation: Array.from(observation),
      action: Array.from(action),
      nextObservation: Array.from(nextObservation),
    });
    observe(transition);
  };
  agent.cutEpisode = (source) => {
    events.push({ source, cut: true });
    cutEpisode(source);
  };
  return events;
}

describe('returns of several steps', () => {
  const gamma = 0.9;
  const { observationSize, actionSize, actionLow, actionHigh } = new PointEnvironment();
  const spaces = { observationSize, actionSize, actionLow, actionHigh };
  const small = { hiddenSizes: [8], batchSize: 8, learningStarts: 20, bufferSize: 500 };
  const agents: Td3Agent[] = [];
  afterEach(() => agents.splice(0).forEach((agent) => agent.close()));
  function makeAgent(nSteps: number): Td3Agent {
    const options = { ...spaces, ...small, nSteps, gamma, device: 'cpu', threads: 1 } as const;
    const agent = new Td3Agent(options);
    agents.push(agent);
    return agent;
  }

  function expectRows(agent: Td3Agent, events: readonly SourceEvent[], nSteps: number): void {
    const rows = agent.replay.read(0, agent.replay.size);
    const expected = nStepRows(events, nSteps, gamma);
    expect(rows).toHaveLength(expected.length);
    expect(deviation(rows, expected)).toBeLessThan(1e-7);
  }

  /** The steps of each environment join up, but where an episode ended or was cut. */
  function expectEpisodes(events: readonly SourceEvent[], count: number): void {
    const last = new Map<number, SourceStep>();
    for (const event of events) {
      if ('cut' in event) {
        if (event.source === undefined) last.clear();
        else last.delete(event.source);
        continue;
      }
      const before = last.get(event.source);
      if (before !== undefined) expect(event.observation).toEqual(before.nextObservation);
      if (event.terminated || event.truncated) last.delete(event.source);
      else last.set(event.source, event);
    }
    const steps = events.filter((event) => !('cut' in event));
    expect(new Set(steps.map(({ source }) => source)).size).toBe(count);
  }

  test.each([
    [1, 3],
    [3, 3],
    [3, 1],
    [2, 30],
  ])('of %i environments, %i at a time: rows are exact', async (count, nSteps) => {
    const agent = makeAgent(nSteps);
    const events = recordEvents(agent);
    const overlapped = Array.from({ length: count }, () => new OverlappedPoint());
    // Evaluations break the last one's episodes off.
    await run(count, agent, { steps: 200, overlapped, evalEnv: overlapped.at(-1) });
    expectEpisodes(events, count);
    expectRows(agent, events, nSteps);
    expect(agent.updates).toBeGreaterThan(150);
    const cuts = events.filter((event) => 'cut' in event).map(({ source }) => source);
    expect(new Set(cuts)).toEqual(new Set([undefined, count - 1]));
  });

  test('of one environment that steps in turn and serves evaluations', async () => {
    const agent = makeAgent(4);
    const events = recordEvents(agent);
    const env = new PointEnvironment();
    await run(0, agent, { steps: 150, env, evalEnv: undefined });
    expectEpisodes(events, 1);
    expectRows(agent, events, 4);
    // A run that follows begins anew.
    await run(0, agent, { steps: 250, env, evalEnv: undefined });
    expectEpisodes(events, 1);
    expectRows(agent, events, 4);
    expect(events.filter((event) => !('cut' in event))).toHaveLength(250);
  });
});
