/** One run of the training loop, step by step. */
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { RunError } from '../errors.js';
import { Random, randomStreams } from '../random.js';
import { writeFileAtomic } from './atomic-file.js';
import { checkpointPieces } from './checkpoint.js';
import { describeRun } from './describe-run.js';
import { WriteError } from './disk.js';
import { EpisodeLog } from './episodes.js';
import { evaluate } from './evaluate.js';
import { encodeSafetensors } from './formats/safetensors.js';
import { DivergedError, healthyMetrics } from './health.js';
import { renderLearningCurve } from './learning-curve.js';
import type { MetricFiles, MetricLog } from './metrics.js';
import { Pause } from '../pause.js';
import { encodePolicy, evaluationOrigin } from './policy.js';
import { ReplayKeeper } from './replay-keeper.js';
import type { RunFolder } from './run-folder.js';
import type { LaneState, MetricPositions, RunState } from './run-state.js';
import { OverlappedRollout, SerialRollout } from './rollout.js';
import type { Rollout } from './rollout.js';
import { bestEvaluation, ruleThatStops } from './stop-rule.js';
import type { StopReason } from './stop-rule.js';
import { Stopwatch } from './stopwatch.js';
import type {
  EvaluationRecord,
  TrainProgress,
  TrainResult,
  TrainSettings,
} from './train-options.js';

/** Where a run writes. */
export interface SessionFiles {
  folder: RunFolder;
  /** Its own metric files, and these with the writers that the caller gave. */
  metricFiles: MetricFiles;
  log: MetricLog;
  replay: ReplayKeeper;
}

/** One run from its first step, or that at which it was stopped, to its summary. */
export class Session {
  readonly #settings: TrainSettings;
  readonly #files: SessionFiles;
  readonly #watch: Stopwatch;
  readonly #episodes = new EpisodeLog();
  readonly #evaluations: EvaluationRecord[] = [];
  readonly #notices: string[] = [];
  /** Seeds of the evaluations, and of `env` where it serves them too. */
  #seeds: Random;
  readonly #evaluationSeed: number;
  readonly #rollout: Rollout;
  readonly #resumed: RunState | undefined;
  /** What the agent had done before. */
  readonly #stepsBefore: number;
  readonly #updatesBefore: number;
  #learning = false;
  #loggedStep = -1;
  #savedStep = -1;
  /** The evaluation of the present step is still to come. */
  #evaluationDue = false;
  /** Where the episodes were before an evaluation that has not ended. */
  #lanesBefore: LaneState[] | undefined;
  /** What is written after the last step is not part of what a longer run goes on from. */
  #end: { metrics: MetricPositions; loggedStep: number } | undefined;
  #saveFailed = false;
  /** The best policy and its agent, where the disk did not take them. */
  #unwrittenBest: (() => void) | undefined;

  /** @param resumed state of the run that goes on, as the agent's is already */
  constructor(settings: TrainSettings, files: SessionFiles, resumed?: RunState) {
    this.#settings = settings;
    this.#files = files;
    this.#resumed = resumed;
    const { agent, env, overlapped = [] } = settings;
    this.#stepsBefore = resumed?.stepsBefore ?? agent.steps;
    this.#updatesBefore = resumed?.updatesBefore ?? agent.updates;
    this.#watch = new Stopwatch(agent.steps, agent.updates, resumed?.seconds);
    this.#seeds = new Random(settings.seed, randomStreams.evaluation);
    this.#evaluationSeed = this.#nextSeed();
    this.#rollout =
      overlapped.length > 0
        ? new OverlappedRollout(agent, overlapped, this.#episodes, settings.signal)
        : new SerialRollout(agent, [env], this.#episodes);
  }

  /** Train until the last step or the signal, save everything, and say what came out. */
  async run(): Promise<TrainResult> {
    const { agent, steps } = this.#settings;
    const pause = new Pause();
    await this.#begin();
    while (this.#stopReason() === undefined) {
      const before = agent.steps;
      const round = this.#rollout.advance(steps - before);
      // To wait where there is nothing to wait for would cost time at every step.
      if (round !== undefined) await round;
      if (!this.#learning && agent.updates > this.#updatesBefore) this.#beginLearning();
      await this.#atIntervals(before);
      if (pause.due) {
        this.#report(agent.ready ? 'training' : 'warm-up');
        await pause.take();
      }
    }
    return this.#finish();
  }

  /** Tell the user something at once, and again in the summary. */
  notify(text: string): void {
    if (this.#notices.includes(text)) return;
    this.#notices.push(text);
    this.#settings.onNotice?.(text);
  }

  async #begin(): Promise<void> {
    const { seed } = this.#settings;
    if (this.#resumed === undefined) {
      await this.#rollout.start(seed, () => this.#nextSeed());
      // From the first step on there is a checkpoint to fall back on, and a disk that takes one.
      this.#saveCheckpoint();
      return;
    }
    await this.#restore(this.#resumed);
    if (this.#evaluationDue) await this.#evaluate();
  }

  async #restore(state: RunState): Promise<void> {
    const { agent, env, overlapped = [] } = this.#settings;
    this.#learning = state.learning;
    this.#loggedStep = state.loggedStep;
    this.#evaluationDue = state.evaluationDue;
    this.#savedStep = agent.steps;
    this.#episodes.state = state.episodes;
    this.#evaluations.push(...state.evaluations);
    for (const notice of state.notices) this.#notices.push(notice);
    this.#seeds = Random.fromState(state.seeds);
    const begunAnew = await this.#rollout.restore(state.lanes, () => this.#nextSeed());
    if (begunAnew.length === 0) return;
    const { id } = overlapped[0] ?? env;
    this.notify(
      `${id} cannot go on in the middle of an episode (it has no state() and restore()): a new one ` +
        'began, and what is learned differs from a run that was not interrupted',
    );
  }

  /** Steps of the warm-up say nothing about the time that those with updates take. */
  #beginLearning(): void {
    const { agent } = this.#settings;
    this.#learning = true;
    this.#watch.beginPhase(agent.steps, agent.updates);
  }

  /** What has ended the run, if anything has. */
  #stopReason(): StopReason | undefined {
    const { agent, steps, signal } = this.#settings;
    // A longer run may go on after the step at which a rule, or the number of steps, ended a shorter one.
    const evaluated = this.#evaluations.at(-1)?.step === agent.steps && !this.#evaluationDue;
    const rule = evaluated ? ruleThatStops(this.#settings, this.#evaluations) : undefined;
    if (rule !== undefined) return rule;
    if (agent.steps >= steps) return 'steps';
    return signal?.aborted === true ? 'signal' : undefined;
  }

  /** The error for a run that `error` has stopped, with what is left of it. */
  failure(error: unknown): RunError {
    const { agent } = this.#settings;
    const { folder } = this.#files;
    const reason = error instanceof Error ? error.message : String(error);
    const message = `Training stopped at step ${agent.steps}: ${reason}. ${this.#whatIsKept()}`;
    try {
      folder.writeSummary({ ...this.#result(), finished: false, error: message });
    } catch {
      // The disk may be what failed; the error that is thrown says so.
    }
    return new RunError(message, { cause: error });
  }

  #whatIsKept(): string {
    const { folder } = this.#files;
    if (this.#savedStep < 0) return 'There is no checkpoint yet';
    const path = folder.checkpointPath;
    if (!existsSync(path)) return `Nothing is kept: ${path} is gone`;
    return (
      `To go on, resume ${folder.path} (train --resume). ` +
      `The last good checkpoint (step ${this.#savedStep}) is kept at ${path}`
    );
  }

  /** What is due: an interval's end may lie within a round of several steps. */
  async #atIntervals(before: number): Promise<void> {
    const { agent, steps, logInterval, evalInterval, checkpointInterval } = this.#settings;
    const step = agent.steps;
    const due = (interval: number) => Math.floor(step / interval) > Math.floor(before / interval);
    this.#evaluationDue = due(evalInterval);
    if (due(logInterval)) this.#logTraining();
    // The last step's evaluation and checkpoint belong to the end of the run.
    if (step === steps) return;
    // An evaluation that fails must not take what was learned with it.
    if (due(checkpointInterval) || (this.#saveFailed && due(logInterval))) this.#trySaving();
    if (due(logInterval)) this.#tryWritingBest();
    if (this.#evaluationDue) await this.#evaluate();
  }

  #logTraining(): void {
    const { agent } = this.#settings;
    const rates = this.#watch.rates(agent.steps, agent.updates);
    this.#write({
      ...this.#episodes.values(),
      ...this.#healthyMetrics(),
      'speed/stepsPerSecond': rates.steps,
      'speed/updatesPerSecond': rates.updates,
    });
    this.#loggedStep = agent.steps;
  }

  /** Figures of the agent; one that has diverged leaves its latest batch. */
  #healthyMetrics(): Record<string, number> {
    const { agent } = this.#settings;
    try {
      return healthyMetrics(agent);
    } catch (error) {
      if (!(error instanceof DivergedError) || agent.latestBatch === undefined) throw error;
      const path = this.#files.folder.divergedBatchPath;
      writeFileAtomic(path, encodeSafetensors(agent.latestBatch(), { steps: String(agent.steps) }));
      throw new RunError(`${error.message}. That batch is in ${path}`, { cause: error });
    }
  }

  /** Evaluate and record it; an evaluation that the signal ends leaves nothing. */
  async #evaluate(): Promise<void> {
    const { agent, evalEnv, evalEpisodes, signal, onEvaluation } = this.#settings;
    this.#report('evaluating');
    this.#lanesBefore = this.#rollout.state();
    const seed = this.#evaluationSeed;
    const options = { episodes: evalEpisodes, seed, signal };
    try {
      const result = await this.#watch.evaluation(() => evaluate(agent, evalEnv, options));
      const { trainSeconds, wallSeconds } = this.#watch;
      const record = { step: agent.steps, seed, ...result, trainSeconds, wallSeconds };
      this.#evaluations.push(record);
      this.#write(evaluationValues(record));
      if (bestEvaluation(this.#evaluations) === record) this.#saveBest();
      onEvaluation?.(record);
    } catch (error) {
      // The run goes on from before this evaluation, which is done again then.
      if (signal?.aborted === true && error === signal.reason) return;
      throw error;
    }
    this.#evaluationDue = false;
    this.#lanesBefore = undefined;
    await this.#rollout.restart(evalEnv, () => this.#nextSeed());
  }

  #write(values: Record<string, number>): void {
    const { agent } = this.#settings;
    this.#files.log.write({ step: agent.steps, wallSeconds: this.#watch.wallSeconds, values });
  }

  /** A disk that takes nothing now may do so later: the agent in memory is whole. */
  #trySaving(): void {
    this.#saveFailed = !this.#tryWriting(() => this.#saveCheckpoint());
  }

  #tryWriting(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!(error instanceof WriteError)) throw error;
      this.notify(`${error.message}. Training goes on and tries again`);
      return false;
    }
  }

  /** Wait for a disk that takes nothing, as long as the settings say. */
  async #writeInTheEnd(write: () => void): Promise<void> {
    const deadline = performance.now() + 1000 * this.#settings.diskPatience;
    for (;;) {
      try {
        return write();
      } catch (error) {
        const isLast = performance.now() > deadline || this.#settings.signal?.aborted === true;
        if (!(error instanceof WriteError) || isLast) throw error;
        this.notify(`${error.message}. Waiting ${this.#settings.diskPatience} s for it`);
        await setTimeout(500);
      }
    }
  }

  #saveCheckpoint(): void {
    const { agent, keepCheckpoints } = this.#settings;
    const { folder, log, replay } = this.#files;
    // An agent that has diverged must not replace one that has not.
    this.#healthyMetrics();
    if (folder.makeFolders() && this.#savedStep >= 0) {
      this.notify(`Folders in ${folder.path} were removed while the run went on; made anew`);
    }
    if (!existsSync(folder.configPath)) folder.writeConfig(describeRun(this.#settings));
    // Metrics that have to wait are no reason to lose the agent.
    this.#tryWriting(() => log.flush());
    replay.save();
    folder.writeCheckpoint(checkpointPieces(agent, this.#state()), keepCheckpoints);
    replay.checkpointWritten();
    this.#savedStep = agent.steps;
  }

  /** All that the run needs to go on from here. */
  #state(): RunState {
    return {
      stepsBefore: this.#stepsBefore,
      updatesBefore: this.#updatesBefore,
      learning: this.#learning,
      loggedStep: this.#end?.loggedStep ?? this.#loggedStep,
      evaluationDue: this.#evaluationDue,
      seconds: this.#watch.seconds,
      episodes: this.#episodes.state,
      seeds: this.#seeds.state(),
      evaluations: this.#evaluations,
      metrics: this.#end?.metrics ?? this.#files.metricFiles.positions,
      replayAdded: this.#files.replay.added,
      notices: this.#notices,
      lanes: this.#lanesBefore ?? this.#rollout.state(),
    };
  }

  async #finish(): Promise<TrainResult> {
    const { agent, steps } = this.#settings;
    const { folder, log, metricFiles } = this.#files;
    this.#watch.endTraining();
    this.#end = { metrics: metricFiles.positions, loggedStep: this.#loggedStep };
    if (this.#loggedStep !== agent.steps) this.#logTraining();
    this.#report('saving');
    if (this.#savedStep !== agent.steps) await this.#writeInTheEnd(() => this.#saveCheckpoint());
    await this.#writeInTheEnd(() => this.#savePolicy());
    if (agent.steps === steps && this.#evaluations.at(-1)?.step !== steps) {
      await this.#evaluateAtTheEnd();
    }
    await this.#writeInTheEnd(() => this.#unwrittenBest?.());
    await this.#saveCurve();
    await this.#writeInTheEnd(() => log.flush());
    await log.settle();
    const result = this.#result();
    await this.#writeInTheEnd(() => folder.writeSummary(result));
    return result;
  }

  async #evaluateAtTheEnd(): Promise<void> {
    if (this.#settings.signal?.aborted === true) return;
    await this.#evaluate();
    this.#report('saving');
    // Once more, with the return in its metadata.
    await this.#writeInTheEnd(() => this.#savePolicy());
  }

  #savePolicy(): void {
    writeFileAtomic(this.#files.folder.policyPath, this.#encodePolicy());
  }

  /** The agent goes on learning: what it is now is kept in memory until the disk has it. */
  #saveBest(): void {
    const [policy, checkpoint] = [this.#encodePolicy(), checkpointPieces(this.#settings.agent)];
    this.#unwrittenBest = () => this.#files.folder.writeBest(policy, checkpoint);
    this.#tryWritingBest();
  }

  #tryWritingBest(): void {
    const write = this.#unwrittenBest;
    if (write !== undefined && this.#tryWriting(write)) this.#unwrittenBest = undefined;
  }

  /** The present policy, with its evaluation if it has one. */
  #encodePolicy(): Uint8Array {
    const { agent, env } = this.#settings;
    const last = this.#evaluations.at(-1);
    return encodePolicy(agent.policy(), {
      env: env.id,
      sparsity: agent.sparsity ?? 'dense',
      steps: agent.steps,
      ...evaluationOrigin(last?.step === agent.steps ? last : undefined),
    });
  }

  async #saveCurve(): Promise<void> {
    if (this.#evaluations.length === 0) return;
    const { agent, env, evalEpisodes, seed } = this.#settings;
    const { folder } = this.#files;
    const points = this.#evaluations.map(({ step, mean, min, max }) => {
      return { step, value: mean, low: min, high: max };
    });
    try {
      const curve = await renderLearningCurve({
        title: `${env.id}, ${agent.sparsity ?? 'dense'}, seed ${seed}`,
        series: [{ label: 'evaluation', runs: [points] }],
        episodes: evalEpisodes,
      });
      writeFileAtomic(folder.curveSvgPath, curve.svg);
      writeFileAtomic(folder.curvePngPath, curve.png);
    } catch (error) {
      // A run is worth more than its picture.
      this.notify(`The learning curve could not be drawn: ${(error as Error).message}`);
    }
  }

  #result(): TrainResult {
    const { agent, env, seed, steps, signal } = this.#settings;
    const { trainSeconds, evaluationSeconds, wallSeconds } = this.#watch;
    const evaluated = this.#evaluations.at(-1)?.step === agent.steps;
    const reason = this.#stopReason() ?? 'signal';
    const stopReason = reason === 'steps' && !evaluated ? 'signal' : reason;
    const finished = evaluated && stopReason !== 'signal';
    return {
      folder: this.#files.folder.path,
      env: env.id,
      sparsity: agent.sparsity ?? 'dense',
      seed,
      steps: agent.steps,
      updates: agent.updates,
      episodes: this.#episodes.count,
      finished,
      stopReason,
      interrupted: !finished && signal?.aborted === true,
      trainSeconds,
      evaluationSeconds,
      wallSeconds,
      stepsPerSecond: (agent.steps - this.#stepsBefore) / trainSeconds,
      finalEvaluation: this.#evaluations.at(-1),
      bestEvaluation: bestEvaluation(this.#evaluations),
      evaluations: this.#evaluations,
      notices: [...this.#withoutUpdates(steps), ...this.#notices, ...(agent.notices?.() ?? [])],
    };
  }

  /** A run that ends within its warm-up looks like any other, but has learned nothing. */
  #withoutUpdates(steps: number): string[] {
    const { agent } = this.#settings;
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
      best: bestEvaluation(this.#evaluations),
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
