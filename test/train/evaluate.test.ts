import { describe, expect, test } from '@jest/globals';
import { InvalidValueError, RunError } from '../../lib/errors.js';
import { evaluate } from '../../lib/train/index.js';
import { LinearAgent } from '../support/linear-agent.js';
import { PointEnvironment } from '../support/point-environment.js';

describe('evaluate', () => {
  test('gives the same returns for the same seed, whatever happened before', async () => {
    const env = new PointEnvironment();
    const first = await evaluate(new LinearAgent(), env, { seed: 7 });
    env.reset({ seed: 99 });
    env.step([0.3]);
    const second = await evaluate(new LinearAgent({ seed: 5 }), env, { seed: 7 });
    expect(second).toEqual(first);
    const other = await evaluate(new LinearAgent(), env, { seed: 8 });
    expect(other.returns).not.toEqual(first.returns);
  });

  test('runs whole episodes from different starts and describes their returns', async () => {
    const env = new PointEnvironment();
    const result = await evaluate(new LinearAgent(), env, { episodes: 4, seed: 1 });
    expect(result.returns).toHaveLength(4);
    expect(new Set(result.returns).size).toBe(4);
    expect(result.lengths.reduce((sum, length) => sum + length, 0)).toBe(env.steps);
    const [a = 0, b = 0, c = 0, d = 0] = result.returns;
    const mean = (a + b + c + d) / 4;
    expect(result.mean).toBeCloseTo(mean, 12);
    const squares = [a, b, c, d].map((value) => (value - mean) ** 2);
    expect(result.std).toBeCloseTo(Math.sqrt(squares.reduce((x, y) => x + y) / 4), 12);
    expect([result.min, result.max]).toEqual([Math.min(a, b, c, d), Math.max(a, b, c, d)]);
  });

  test('takes more episodes than a call takes arguments', async () => {
    const env = new PointEnvironment();
    const once = { observation: env.reset(), terminated: true, truncated: false, info: {} };
    let episode = 0;
    env.step = () => ({ ...once, reward: (episode += 1) });
    const result = await evaluate(new LinearAgent(), env, { episodes: 130_000, seed: 1 });
    expect(result).toMatchObject({ min: 1, max: 130_000, mean: 65_000.5 });
  });

  test('sums the rewards of an episode', async () => {
    const env = new PointEnvironment();
    const agent = new LinearAgent();
    const { returns, lengths } = await evaluate(agent, env, { episodes: 1, seed: 2 });
    let observation = env.reset({ seed: env.seeds[0] ?? NaN });
    let total = 0;
    for (let i = 0; i < (lengths[0] ?? 0); i++) {
      const step = env.step(agent.act(observation));
      total += step.reward;
      observation = step.observation;
    }
    expect(returns).toEqual([total]);
  });

  test('does not explore and leaves the agent as it was', async () => {
    const agent = new LinearAgent();
    const before = agent.state();
    await evaluate(agent, new PointEnvironment(), { seed: 1 });
    expect(agent.actions).toEqual([]);
    expect(agent.state()).toEqual(before);
  });

  test('stops when asked to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    const run = evaluate(new LinearAgent(), new PointEnvironment(), { seed: 1, signal });
    await expect(run).rejects.toThrow('enough');
  });

  test('refuses bad options and rewards that are not finite', async () => {
    const agent = new LinearAgent();
    const env = new PointEnvironment();
    await expect(evaluate(agent, env, { episodes: 0, seed: 1 })).rejects.toThrow(InvalidValueError);
    await expect(evaluate(agent, env, { seed: -1 })).rejects.toThrow(/seed to be a non-negative/);
    const options = { seed: 1 };
    await expect(evaluate(agent, env, undefined as never)).rejects.toThrow(
      /options of evaluate to/,
    );
    await expect(evaluate(agent, {} as never, options)).rejects.toThrow(/env to be an environment/);
    await expect(evaluate({} as never, env, options)).rejects.toThrow(
      /agent to be an agent with act/,
    );
    const broken = new PointEnvironment({ nanRewardAt: 25 });
    await expect(evaluate(agent, broken, { seed: 1 })).rejects.toThrow(RunError);
  });
});
