/** One run of the training loop, step by step. */
import { RunError } from '../errors.js';
import { Random, randomStreams } from '../random.js';
import { writeFileAtomic } from './atomic-file.js';
import { encodeCheckpoint } from './checkpoint.js';
import { EpisodeLog } from './episodes.js';
import { evaluate } from './evaluate.js';
import { renderLearningCurve } from './learning-curve.js';
import type { MetricWriter } from './metrics.js';
import { Pause } from './pause.js';
import { encodePolicy } from './policy.js';
import type { RunFolder } from './run-folder.js';
import { OverlappedRollout, SerialRollout } from './rollout.js';
import type { Rollout } from './rollout.js';
import { Stopwatch } from './stopwatch.js';
import type {
  EvaluationRecord,
  TrainProgress,
  TrainResult,
  TrainSettings,
} from './train-options.js';

/** One run from its first step to its summary. */
export class Session {
  readonly #settings: TrainSettings;
  readonly #folder: RunFolder;
  readonly #log: MetricWriter;
  readonly #watch: Stopwatch;
  readonly #episodes = new EpisodeLog();
  readonly #evaluations: EvaluationRecord[] = [];
  readonly #notices: string[] = [];
  /** Seeds of the evaluations, and of `env` where it serves them too. */
  readonly #seeds: Random;
  readonly #evaluationSeed: number;
  readonly #rollout: Rollout;
  /** What the agent had done before. */
  readonly #stepsBefore: number;
  readonly #updatesBefore: number;
  #learning = false;
  #loggedStep = -1;
  #savedStep = -1;

  constructor(settings: TrainSettings, folder: RunFolder, log: MetricWriter) {
    this.#settings = settings;
    this.#folder = folder;
    this.#log = log;
    this.#stepsBefore = settings.agent.steps;
    this.#updatesBefore = settings.agent.updates;
    this.#watch = new Stopwatch(this.#stepsBefore, this.#updatesBefore);
    this.#seeds = new Random(settings.seed, randomStreams.evaluation);
    this.#evaluationSeed = this.#nextSeed();
    const { agent, env, overlapped = [] } = settings;
    this.#rollout =
      overlapped.length > 0
        ? new OverlappedRollout(agent, overlapped, this.#episodes)
        : new SerialRollout(agent, [env], this.#episodes);
  }

  /** Train until the last step or the signal, save everything, and say what came out. */
  async run(): Promise<TrainResult> {
    const { agent, steps, seed, signal } = this.#settings;
    const pause = new Pause();
    // From the first step on there is a checkpoint to fall back on, and a disk that takes one.
    this.#saveCheckpoint();
    this.#rollout.start(seed, () => this.#nextSeed());
    while (agent.steps < steps && signal?.aborted !== true) {
      const before = agent.steps;
      this.#rollout.advance(steps - before);
      if (!this.#learning && agent.updates > this.#updatesBefore) this.#beginLearning();
      await this.#atIntervals(before);
      if (pause.due) {
        this.#report(agent.ready ? 'training' : 'warm-up');
        await pause.take();
      }
    }
    return this.#finish();
  }

  /** Steps of the warm-up say nothing about the time that those with updates take. */
  #beginLearning(): void {
    const { agent } = this.#settings;
    this.#learning = true;
    this.#watch.beginPhase(agent.steps, agent.updates);
  }

  /** The error for a run that `error` has stopped, with what is left of it. */
  failure(error: unknown): RunError {
    const { agent } = this.#settings;
    const kept =
      this.#savedStep < 0
        ? 'There is no checkpoint yet'
        : `The last good checkpoint (step ${this.#savedStep}) is kept at ` +
          this.#folder.checkpointPath;
    const reason = error instanceof Error ? error.message : String(error);
    const message = `Training stopped at step ${agent.steps}: ${reason}. ${kept}`;
    try {
      this.#folder.writeSummary({ ...this.#result(), error: message });
    } catch {
      // The disk may be what failed; the error that is thrown says so.
    }
    return new RunError(message, { cause: error });
  }

  /** What is due: an interval's end may lie within a round of several steps. */
  async #atIntervals(before: number): Promise<void> {
    const { agent, steps, logInterval, evalInterval, checkpointInterval } = this.#settings;
    const step = agent.steps;
    const due = (interval: number) => Math.floor(step / interval) > Math.floor(before / interval);
    if (due(logInterval)) this.#logTraining();
    // The last step's evaluation and checkpoint belong to the end of the run.
    if (step === steps) return;
    // An evaluation that fails must not take what was learned with it.
    if (due(checkpointInterval)) this.#saveCheckpoint();
    if (due(evalInterval)) await this.#evaluate();
  }

  /** Figures of the agent, which must be finite as soon as it has learned anything. */
  #agentMetrics(): Record<string, number> {
    const { agent } = this.#settings;
    const values: Record<string, number> = {};
    for (const [name, value] of Object.entries(agent.metrics())) {
      if (Number.isFinite(value)) values[name.includes('/') ? name : `agent/${name}`] = value;
      else if (agent.updates > 0) {
        throw new RunError(
          `Expected ${name} to be finite but received ${value}. Training has diverged: try a ` +
            'lower learning rate, or look for extreme observations and rewards in the environment',
        );
      }
    }
    return values;
  }

  #logTraining(): void {
    const { agent } = this.#settings;
    const rates = this.#watch.rates(agent.steps, agent.updates);
    this.#write({
      ...this.#episodes.values(),
      ...this.#agentMetrics(),
      'speed/stepsPerSecond': rates.steps,
      'speed/updatesPerSecond': rates.updates,
    });
    this.#loggedStep = agent.steps;
  }

  /** Evaluate and record it; an evaluation that the signal ends leaves nothing. */
  async #evaluate(): Promise<void> {
    const { agent, evalEnv, evalEpisodes, signal, onEvaluation } = this.#settings;
    this.#report('evaluating');
    const options = { episodes: evalEpisodes, seed: this.#evaluationSeed, signal };
    try {
      const result = await this.#watch.evaluation(() => evaluate(agent, evalEnv, options));
      const { trainSeconds, wallSeconds } = this.#watch;
      const record = { step: agent.steps, ...result, trainSeconds, wallSeconds };
      this.#evaluations.push(record);
      this.#write(evaluationValues(record));
      onEvaluation?.(record);
    } catch (error) {
      if (signal?.aborted !== true || error !== signal.reason) throw error;
    }
    this.#rollout.restart(evalEnv, () => this.#nextSeed());
  }

  #write(values: Record<string, number>): void {
    const { agent } = this.#settings;
    this.#log.write({ step: agent.steps, wallSeconds: this.#watch.wallSeconds, values });
  }

  #saveCheckpoint(): void {
    const { agent } = this.#settings;
    // An agent that has diverged must not replace one that has not.
    this.#agentMetrics();
    this.#log.flush();
    this.#folder.writeCheckpoint(encodeCheckpoint(agent));
    this.#savedStep = agent.steps;
  }

  async #finish(): Promise<TrainResult> {
    const { agent, steps, signal } = this.#settings;
    this.#watch.endTraining();
    if (this.#loggedStep !== agent.steps) this.#logTraining();
    this.#report('saving');
    if (this.#savedStep !== agent.steps) this.#saveCheckpoint();
    this.#savePolicy();
    if (agent.steps === steps && signal?.aborted !== true) {
      await this.#evaluate();
      this.#report('saving');
      // Once more, with the return in its metadata.
      this.#savePolicy();
    }
    await this.#saveCurve();
    this.#log.flush();
    const result = this.#result();
    this.#folder.writeSummary(result);
    return result;
  }

  #savePolicy(): void {
    const { agent, env } = this.#settings;
    const bytes = encodePolicy(agent.policy(), {
      env: env.id,
      sparsity: agent.sparsity ?? 'dense',
      steps: agent.steps,
      evaluationReturn: this.#evaluations.at(-1)?.mean,
    });
    writeFileAtomic(this.#folder.policyPath, bytes);
  }

  async #saveCurve(): Promise<void> {
    if (this.#evaluations.length === 0) return;
    const { agent, env, evalEpisodes, seed } = this.#settings;
    const points = this.#evaluations.map(({ step, mean, min, max }) => {
      return { step, value: mean, low: min, high: max };
    });
    const curve = await renderLearningCurve({
      title: `${env.id}, ${agent.sparsity ?? 'dense'}, seed ${seed}`,
      series: [{ label: 'evaluation', runs: [points] }],
      episodes: evalEpisodes,
    }).catch((error: unknown) => {
      // A run is worth more than its picture.
      this.#notices.push(`The learning curve could not be drawn: ${(error as Error).message}`);
    });
    if (curve === undefined) return;
    writeFileAtomic(this.#folder.curveSvgPath, curve.svg);
    writeFileAtomic(this.#folder.curvePngPath, curve.png);
  }

  #result(): TrainResult {
    const { agent, env, seed, steps, signal } = this.#settings;
    const { trainSeconds, evaluationSeconds, wallSeconds } = this.#watch;
    const evaluated = this.#evaluations.at(-1)?.step === agent.steps;
    const finished = agent.steps === steps && evaluated;
    return {
      folder: this.#folder.path,
      env: env.id,
      sparsity: agent.sparsity ?? 'dense',
      seed,
      steps: agent.steps,
      updates: agent.updates,
      episodes: this.#episodes.count,
      finished,
      interrupted: !finished && signal?.aborted === true,
      trainSeconds,
      evaluationSeconds,
      wallSeconds,
      stepsPerSecond: (agent.steps - this.#stepsBefore) / trainSeconds,
      finalEvaluation: this.#evaluations.at(-1),
      evaluations: this.#evaluations,
      notices: [...this.#withoutUpdates(), ...this.#notices, ...(agent.notices?.() ?? [])],
    };
  }

  /** A run that ends within its warm-up looks like any other, but has learned nothing. */
  #withoutUpdates(): string[] {
    const { agent, steps } = this.#settings;
    if (agent.steps < steps || agent.updates > this.#updatesBefore) return [];
    const { learningStarts } = agent.config;
    const warmUp = typeof learningStarts === 'number' ? ` of ${learningStarts} steps` : '';
    return [
      `No update was made, so nothing was learned: the run ended within its warm-up${warmUp}. ` +
        'Train for more steps, or lower learningStarts',
    ];
  }

  #report(phase: TrainProgress['phase']): void {
    const { agent, steps, onProgress } = this.#settings;
    if (onProgress === undefined) return;
    const rates = this.#watch.rates(agent.steps, agent.updates);
    onProgress({
      phase,
      step: agent.steps,
      steps,
      updates: agent.updates,
      episodes: this.#episodes.count,
      stepsPerSecond: rates.steps,
      updatesPerSecond: rates.updates,
      lastReturn: this.#episodes.lastReturn,
      meanReturn: this.#episodes.meanReturn,
      evaluation: this.#evaluations.at(-1),
      secondsLeft: this.#secondsLeft(rates.steps),
    });
  }

  #secondsLeft(stepsPerSecond: number): number | undefined {
    const { agent, steps, evalInterval } = this.#settings;
    const left = steps - agent.steps;
    if (!this.#learning || (left > 0 && !this.#watch.current)) return undefined;
    const evaluations = evaluationsLeft(agent.steps, steps, evalInterval);
    const evaluating = evaluations * (this.#watch.lastEvaluation ?? 0);
    return left / Math.max(stepsPerSecond, 1e-9) + evaluating;
  }

  #nextSeed(): number {
    return this.#seeds.integer(0, 2 ** 31 - 1);
  }
}

/** Evaluations between the step `step` and the last one, at which there is one too. */
export function evaluationsLeft(step: number, steps: number, evalInterval: number): number {
  if (step >= steps) return 0;
  return Math.ceil(steps / evalInterval) - Math.floor(step / evalInterval);
}

function evaluationValues(record: EvaluationRecord): Record<string, number> {
  const { mean, std, min, max, lengths, trainSeconds } = record;
  return {
    'eval/returnMean': mean,
    'eval/returnStd': std,
    'eval/returnMin': min,
    'eval/returnMax': max,
    'eval/lengthMean': lengths.reduce((sum, length) => sum + length, 0) / lengths.length,
    'eval/trainSeconds': trainSeconds,
  };
}
