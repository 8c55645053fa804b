/** What `train` takes and what it gives. */
import type { Environment } from '../envs/environment.js';
import type { OverlappedEnvironment } from '../envs/worker-environment.js';
import { checkInteger, checkObject, invalidValue } from '../errors.js';
import { checkAgent, checkEnvironment, checkSignal } from './check.js';
import type { Evaluation } from './evaluate.js';
import type { MetricWriter } from './metrics.js';
import type { TrainableAgent } from './trainable.js';

/** Options of `train`. */
export interface TrainOptions {
  /** Task to train on. It is reset with `seed` and left open. */
  env: Environment;
  /**
   * Environments that step while the agent learns, one update for each transition; they take
   * `env`'s place. Actions come from a policy one round of updates earlier. Default: none.
   */
  overlapped?: readonly OverlappedEnvironment[] | undefined;
  /** Another instance of the task, for evaluations. Without it they use `env`, and each cuts short
   * the episode that it is in. */
  evalEnv?: Environment | undefined;
  /** Agent to train. One that was restored goes on from its own step count. */
  agent: TrainableAgent;
  /** Environment steps in all, warm-up included. */
  steps: number;
  /** Steps between evaluations. Default: 5,000. */
  evalInterval?: number | undefined;
  /** Episodes of each evaluation. Default: 10. */
  evalEpisodes?: number | undefined;
  /** Steps between records of metrics. Default: 1,000. */
  logInterval?: number | undefined;
  /** Steps between checkpoints. Default: 10,000. */
  checkpointInterval?: number | undefined;
  /** Run folder, new or empty. Default: a new one in `runs/`. */
  out?: string | undefined;
  /** Seed of the environments. The agent has its own. Default: 0. */
  seed?: number | undefined;
  /** Ends training after the present step, with everything saved. */
  signal?: AbortSignal | undefined;
  /** Called once, with the path of the run folder, when nothing stands in the way any more. */
  onStart?: ((folder: string) => void) | undefined;
  /** Called about 20 times a second, and before evaluations and saving. */
  onProgress?: ((progress: TrainProgress) => void) | undefined;
  /** Called after each evaluation. */
  onEvaluation?: ((record: EvaluationRecord) => void) | undefined;
  /** Where else metrics go, besides `metrics.jsonl` and TensorBoard. */
  writers?: readonly MetricWriter[] | undefined;
  /** What else `config.json` shall hold, e.g. the environment's options. */
  config?: Readonly<Record<string, unknown>> | undefined;
}

/** Where a run stands. */
export interface TrainProgress {
  phase: 'warm-up' | 'training' | 'evaluating' | 'saving';
  /** Environment steps done, of `steps`. */
  step: number;
  steps: number;
  /** Calls of `agent.learn` so far. */
  updates: number;
  /** Episodes finished. */
  episodes: number;
  /** Lately, evaluations excluded. */
  stepsPerSecond: number;
  /** Lately, evaluations excluded. */
  updatesPerSecond: number;
  /** Return of the last training episode. */
  lastReturn?: number | undefined;
  /** Mean return of the last training episodes, up to 10. */
  meanReturn?: number | undefined;
  /** The latest evaluation. */
  evaluation?: EvaluationRecord | undefined;
  /**
   * Estimate of the time left, from the present speed of training and the latest evaluation; before
   * the first evaluation it leaves out those to come. Not known before there are updates.
   */
  secondsLeft?: number | undefined;
}

/** An evaluation within a run. */
export interface EvaluationRecord extends Evaluation {
  /** Environment step of the run. */
  step: number;
  /** Seconds of training until then, evaluations excluded. */
  trainSeconds: number;
  /** Seconds since the run began, this and earlier evaluations included. */
  wallSeconds: number;
}

/** What came out of a run; also the content of `summary.json`. */
export interface TrainResult {
  /** The run folder. */
  folder: string;
  env: string;
  /** Pattern, e.g. "1:4", "dense", or "2:4-1:4" where actor and critics differ. */
  sparsity: string;
  seed: number;
  /** Environment steps done. */
  steps: number;
  /** Calls of `agent.learn`. */
  updates: number;
  /** Training episodes finished. */
  episodes: number;
  /** All steps that were asked for are done. */
  finished: boolean;
  /** It was ended early by the signal. */
  interrupted: boolean;
  /** Seconds of training, evaluations excluded. */
  trainSeconds: number;
  /** Seconds of all evaluations. */
  evaluationSeconds: number;
  /** Seconds in all, saving included. */
  wallSeconds: number;
  /** Over all of this training, warm-up included, evaluations excluded. */
  stepsPerSecond: number;
  /** The last evaluation. */
  finalEvaluation?: EvaluationRecord | undefined;
  /** Every evaluation in order. */
  evaluations: EvaluationRecord[];
  /** What else is worth knowing, e.g. why there is no picture. */
  notices: string[];
}

/** `TrainOptions` after checks, with the defaults filled in. */
export interface TrainSettings extends TrainOptions {
  evalEnv: Environment;
  evalInterval: number;
  evalEpisodes: number;
  logInterval: number;
  checkpointInterval: number;
  seed: number;
}

/**
 * Check options and fill in defaults.
 *
 * @throws InvalidValueError that names the option
 */
export function resolveTrainOptions(options: TrainOptions): TrainSettings {
  checkObject('the options of train', options, 'an object with env, agent and steps');
  const { env, agent, evalEnv = env, overlapped = [] } = options;
  checkAgent(agent, ['act', 'observe', 'learn', 'metrics', 'policy', 'state']);
  checkEnvironments(env, evalEnv, overlapped);
  checkSizes(agent, env);
  checkSteps(agent, options.steps);
  checkSignal(options.signal);
  checkOutput(options);
  return {
    ...options,
    evalEnv,
    evalInterval: checkInteger('evalInterval', options.evalInterval ?? 5000),
    evalEpisodes: checkInteger('evalEpisodes', options.evalEpisodes ?? 10),
    logInterval: checkInteger('logInterval', options.logInterval ?? 1000),
    checkpointInterval: checkInteger('checkpointInterval', options.checkpointInterval ?? 10_000),
    seed: checkInteger('seed', options.seed ?? 0, 0),
  };
}

/** All environments of a run have to be of one shape. */
function checkEnvironments(
  env: Environment,
  evalEnv: Environment,
  overlapped: readonly OverlappedEnvironment[],
): void {
  checkEnvironment('env', env);
  if (!Array.isArray(overlapped)) {
    throw invalidValue('overlapped', 'an array of environments', overlapped);
  }
  const others: [name: string, env: Environment][] = [
    ['evalEnv', evalEnv],
    ...overlapped.map((each, i): [string, Environment] => [`overlapped[${i}]`, each]),
  ];
  for (const [name, other] of others) {
    checkEnvironment(name, other);
    for (const size of ['observationSize', 'actionSize'] as const) {
      if (other[size] === env[size]) continue;
      throw invalidValue(`${name}.${size}`, `${env[size]}, as in env,`, other[size]);
    }
  }
}

function checkSizes(agent: TrainableAgent, env: Environment): void {
  const { layers, actionLow } = agent.policy();
  const sizes = { observationSize: layers[0]?.inSize, actionSize: actionLow.length };
  for (const size of ['observationSize', 'actionSize'] as const) {
    if (sizes[size] === env[size]) continue;
    const remedy = 'Make the agent with the sizes of the environment';
    throw invalidValue(`the agent's ${size}`, `${env[size]}, as in env,`, sizes[size], remedy);
  }
}

function checkSteps(agent: TrainableAgent, steps: number): void {
  checkInteger('steps', steps);
  if (steps > agent.steps) return;
  throw invalidValue('steps', `more than the ${agent.steps} steps that the agent has done`, steps);
}

function checkOutput({ out, config }: TrainOptions): void {
  if (out !== undefined && (typeof out !== 'string' || out === '')) {
    throw invalidValue('out', 'the path of a folder', out);
  }
  try {
    JSON.stringify(config);
  } catch (cause) {
    const error = invalidValue('config', 'plain data', config, (cause as Error).message);
    error.cause = cause;
    throw error;
  }
}
