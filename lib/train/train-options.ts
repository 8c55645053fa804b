/** What `train` takes and what it gives. */
import type { Environment } from '../envs/environment.js';
import { givenOptionsOf } from '../envs/given-options.js';
import type { OverlappedEnvironment } from '../envs/worker-environment.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumber,
  checkObject,
  checkOptions,
  invalidValue,
} from '../errors.js';
import {
  checkAgent,
  checkEnvironment,
  checkFits,
  checkLimits,
  checkSameLimits,
  checkSignal,
  hasMethods,
} from './check.js';
import { checkJson } from '../json.js';
import type { Evaluation } from './evaluate.js';
import type { MetricWriter } from './metrics.js';
import type { StopReason } from './stop-rule.js';
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
  /**
   * Run folder to go on with, in place of `out`: from its newest good checkpoint on, with the same bits as if it
   * had never stopped. `agent` is a new one with the run's options, whose state is replaced; of the other options
   * only `resumableOptions` may differ from the run's.
   */
  resume?: string | undefined;
  /**
   * Keep the replay buffer's rows on disk, which `resume` needs to go on exactly: about 4 bytes for each of its
   * numbers. Default: true.
   */
  saveReplay?: boolean | undefined;
  /** Checkpoints kept, the newest included; damaged ones are passed over. Default: 2. */
  keepCheckpoints?: number | undefined;
  /** End at the first evaluation with at least this mean return. Default: none. */
  stopAtReturn?: number | undefined;
  /** End after so many evaluations in a row without a new best one. Default: none. */
  patience?: number | undefined;
  /**
   * Seconds to wait at the end for a disk that takes nothing. Until then training goes on, and what could not be
   * written is tried again. Default: 60.
   */
  diskPatience?: number | undefined;
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
  /** Called with what is worth knowing at once, e.g. that the disk is full; also in `notices` at the end. */
  onNotice?: ((text: string) => void) | undefined;
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
  /** The best one. */
  best?: EvaluationRecord | undefined;
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
  /** What `evaluate` was given: with it, and as many episodes, it gives the same again. */
  seed: number;
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
  /** All steps that were asked for are done, or a rule ended the run before. */
  finished: boolean;
  /** What ended it. */
  stopReason: StopReason;
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
  /** The one with the best mean return, whose policy is in `best/`. */
  bestEvaluation?: EvaluationRecord | undefined;
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
  keepCheckpoints: number;
  saveReplay: boolean;
  diskPatience: number;
  seed: number;
}

const optionNames = [
  'env',
  'overlapped',
  'evalEnv',
  'agent',
  'steps',
  'evalInterval',
  'evalEpisodes',
  'logInterval',
  'checkpointInterval',
  'out',
  'resume',
  'saveReplay',
  'keepCheckpoints',
  'stopAtReturn',
  'patience',
  'diskPatience',
  'seed',
  'signal',
  'onStart',
  'onProgress',
  'onEvaluation',
  'onNotice',
  'writers',
  'config',
] as const satisfies readonly (keyof TrainOptions)[];

/**
 * Check options and fill in defaults.
 *
 * @throws InvalidValueError that names the option
 */
export function resolveTrainOptions(options: TrainOptions): TrainSettings {
  checkObject('the options of train', options, 'an object with env, agent and steps');
  checkOptions('the options of train', options, optionNames);
  const { env, agent, evalEnv = env, overlapped = [] } = options;
  checkAgent(agent, ['act', 'observe', 'learn', 'metrics', 'policy', 'state']);
  checkEnvironments(env, evalEnv, overlapped);
  checkFits('the agent', agent.policy(), env);
  checkSteps(options);
  checkSignal(options.signal);
  checkCallbacks(options);
  checkWriters(options.writers);
  checkFolders(options);
  checkConfig(options.config);
  checkGivenOptions(env, options.config);
  const { stopAtReturn, patience, saveReplay = true } = options;
  return {
    ...options,
    evalEnv,
    keepCheckpoints: checkInteger('keepCheckpoints', options.keepCheckpoints ?? 2, 1, 100),
    saveReplay: checkBoolean('saveReplay', saveReplay),
    diskPatience: checkNumber('diskPatience', options.diskPatience ?? 60, 0, 86_400),
    ...(stopAtReturn !== undefined && { stopAtReturn: checkNumber('stopAtReturn', stopAtReturn) }),
    ...(patience !== undefined && { patience: checkInteger('patience', patience) }),
    evalInterval: checkInteger('evalInterval', options.evalInterval ?? 5000),
    evalEpisodes: checkInteger('evalEpisodes', options.evalEpisodes ?? 10),
    logInterval: checkInteger('logInterval', options.logInterval ?? 1000),
    checkpointInterval: checkInteger('checkpointInterval', options.checkpointInterval ?? 10_000),
    seed: checkInteger('seed', options.seed ?? 0, 0),
  };
}

/** All environments of a run have to be of one shape, and take the same actions. */
function checkEnvironments(
  env: Environment,
  evalEnv: Environment,
  overlapped: readonly OverlappedEnvironment[],
): void {
  checkEnvironment('env', env);
  checkLimits('env', env);
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
    checkLimits(name, other);
    for (const limit of ['actionLow', 'actionHigh'] as const) {
      checkSameLimits(`${name}.${limit}`, other[limit], env[limit], 'env');
    }
  }
}

function checkSteps({ agent, steps, resume }: TrainOptions): void {
  checkInteger('steps', steps);
  if (steps > agent.steps || resume !== undefined) return;
  throw invalidValue('steps', `more than the ${agent.steps} steps that the agent has done`, steps);
}

function checkCallbacks(options: TrainOptions): void {
  for (const name of ['onStart', 'onProgress', 'onEvaluation', 'onNotice'] as const) {
    if (options[name] !== undefined) checkFunction(name, options[name]);
  }
}

function checkWriters(writers: TrainOptions['writers'] = []): void {
  if (!Array.isArray(writers)) throw invalidValue('writers', 'an array of writers', writers);
  writers.forEach((writer: unknown, i) => {
    if (hasMethods(writer, ['write', 'flush', 'close'])) return;
    throw invalidValue(`writers[${i}]`, 'a writer with write(), flush() and close()', writer);
  });
}

function checkFolders({ out, resume }: TrainOptions): void {
  for (const [name, path] of Object.entries({ out, resume })) {
    if (path === undefined || (typeof path === 'string' && path !== '')) continue;
    throw invalidValue(name, 'the path of a folder', path);
  }
  if (out === undefined || resume === undefined) return;
  throw invalidValue('out', 'left out where a run is resumed, which goes on in its folder,', out);
}

function checkConfig(config: TrainOptions['config']): void {
  if (config === undefined) return;
  checkObject('config', config);
  checkJson('config', config);
}

/** What cannot be written down cannot be evaluated or done again. */
function checkGivenOptions(env: Environment, config: TrainOptions['config']): void {
  if (config?.['envOptions'] !== undefined) return;
  const remedy =
    'config.json is to have the options of the task: give those that it can hold as config.envOptions';
  checkJson(`the options of ${env.id}`, givenOptionsOf(env) ?? {}, remedy);
}
