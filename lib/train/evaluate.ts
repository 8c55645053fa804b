/** How good a policy is: returns of whole episodes without exploration noise. */
import type { Environment } from '../envs/environment.js';
import { RunError, checkInteger, checkObject } from '../errors.js';
import { extentOf } from '../extent.js';
import { checkAgent, checkEnvironment, checkFits, checkSignal, hasMethods } from './check.js';
import { Random, randomStreams } from '../random.js';
import { Pause } from '../pause.js';
import type { TrainableAgent } from './trainable.js';

/** Options of `evaluate`. */
export interface EvaluateOptions {
  /** Episodes to run. Default: 10. */
  episodes?: number;
  /** Seed that every episode's own seed is drawn from. */
  seed: number;
  /** Stops between two steps; `evaluate` then throws the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Returns of the episodes and what describes them. */
export interface Evaluation {
  /** Mean return. */
  mean: number;
  /** Standard deviation of the returns (of the population). */
  std: number;
  min: number;
  max: number;
  /** Return (sum of rewards, undiscounted) of each episode. */
  returns: number[];
  /** Steps of each episode. */
  lengths: number[];
}

/**
 * Run whole episodes without exploration noise. The same seed gives the same episodes; the agent is
 * left as it was, the environment at the end of an episode.
 *
 * @param agent what acts
 * @param env its episodes must end by themselves
 * @throws InvalidValueError for a bad argument, RunError when a reward is not finite
 */
export async function evaluate(
  agent: Pick<TrainableAgent, 'act'>,
  env: Environment,
  options: EvaluateOptions,
): Promise<Evaluation> {
  checkAgent(agent, ['act']);
  checkEnvironment('env', env);
  checkObject('the options of evaluate', options, 'an object with a seed');
  checkSignal(options.signal);
  if (hasMethods(agent, ['policy']))
    checkFits('the agent', (agent as TrainableAgent).policy(), env);
  const episodes = checkInteger('episodes', options.episodes ?? 10);
  const random = new Random(options.seed, randomStreams.evaluation);
  const pause = new Pause();
  const returns: number[] = [];
  const lengths: number[] = [];
  for (let episode = 0; episode < episodes; episode++) {
    const seed = random.integer(0, 2 ** 31 - 1);
    const { total, length } = await runEpisode(agent, env, seed, pause, options.signal);
    if (!Number.isFinite(total)) throw notFinite(env, episode, total);
    returns.push(total);
    lengths.push(length);
  }
  return { ...describeReturns(returns), returns, lengths };
}

async function runEpisode(
  agent: Pick<TrainableAgent, 'act'>,
  env: Environment,
  seed: number,
  pause: Pause,
  signal: AbortSignal | undefined,
): Promise<{ total: number; length: number }> {
  let observation = env.reset({ seed });
  let total = 0;
  for (let length = 1; ; length++) {
    const step = env.step(agent.act(observation));
    total += step.reward;
    if (step.terminated || step.truncated) return { total, length };
    observation = step.observation;
    if (pause.due) await pause.take();
    signal?.throwIfAborted();
  }
}

function notFinite(env: Environment, episode: number, total: number): RunError {
  return new RunError(
    `Expected the return of evaluation episode ${episode} on ${env.id} to be finite but ` +
      `received ${total}. A reward of the environment is not finite: check its step()`,
  );
}

function describeReturns(returns: number[]): Omit<Evaluation, 'returns' | 'lengths'> {
  const mean = returns.reduce((sum, value) => sum + value, 0) / returns.length;
  const squares = returns.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: Math.sqrt(squares / returns.length), ...extentOf(returns) };
}
