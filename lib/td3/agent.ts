/**
 * TD3 (Fujimoto et al. 2018, "Addressing function approximation error in actor-critic methods")
 * with all six networks under row-wise N:M sparsity from the first step to the last
 * (RNM-TD3, arXiv 2602.14578).
 *
 * `learn()` reads as the algorithm does: target, critics, and every `policyDelay` updates the actor
 * and the targets; every `maskInterval` updates the masks are projected again.
 */
import { Device } from '../device/index.js';
import { appendChecked, checkNumbers } from '../device/replay.js';
import type {
  AdamOptions,
  BatchMatrix,
  BatchView,
  Graph,
  Mlp,
  NormalSource,
  Replay,
  ReplayTransition,
} from '../device/index.js';
import {
  checkBoolean,
  checkFloat32,
  checkInteger,
  checkObject,
  checkOptions,
  invalidValue,
  RunError,
} from '../errors.js';
import { Random, randomStreams } from '../random.js';
import { BatchBuffers, batchParts } from './batch-buffers.js';
import type { TransitionBatch } from './batch-buffers.js';
import { compileSchedules, resolveConfig } from './config.js';
import type { ScheduleName, Td3Config, Td3Options } from './config.js';
import { batchNeed, checkMemory, networksNeed } from './memory.js';
import { MaskUpdates } from './mask-updates.js';
import type { DormantGradients } from './mask-updates.js';
import { describeSparsity, makeNetworks } from './networks.js';
import type { Td3Networks } from './networks.js';
import { NStepReturns } from './n-step.js';
import type { EnvironmentStep } from './n-step.js';
import { ObservationNormalizer } from './observation-normalizer.js';
import type { ObservationStatistics } from './observation-statistics.js';
import { describeSparseChoices, describeUnused } from './sparse-notice.js';
import { readState, writeState } from './state.js';
import type { AgentState, StateOptions } from './state.js';
import type { Schedule } from './schedule.js';

/** One step of experience, as `observe` takes it. */
export interface Transition extends EnvironmentStep {
  /**
   * Which of several environments it is of: the steps of each come in their order, and with `nSteps`
   * above 1 a return is of one environment's steps. Default: 0.
   */
  source?: number;
}

/** A layer of a policy as exported: [outSize, inSize] row-major, zeros at dormant places. */
export interface ExportedLayer {
  weight: Float32Array;
  bias: Float32Array;
  inSize: number;
  outSize: number;
}

/** Streams of the smoothing noise lie above those of the initialisation: one for each update. */
const noiseStream = 2 ** 40;

/** An action counts as at its limit within this part of its range, and its share moves by so much a step. */
const [limitMargin, limitRate] = [0.005, 1e-3];

const noDormantGradients = { actor: false, critics: false };

/** The critic whose value the actor climbs (Fujimoto et al. 2018, eq. 9). */
const firstCritic = { first: 0, count: 1 };

export class Td3Agent {
  /** Every hyperparameter with its value. */
  readonly config: Td3Config;
  readonly device: Device;
  readonly networks: Td3Networks;
  readonly replay: Replay;
  readonly #returns: NStepReturns;
  readonly #schedules: Record<ScheduleName, Schedule>;
  readonly #batch: BatchBuffers;
  /** Of networks that see normalised observations; the replay buffer has them as they came. */
  readonly #normalizer: ObservationNormalizer | undefined;
  readonly #low: Float32Array;
  readonly #high: Float32Array;
  readonly #oneObservation: BatchMatrix;
  readonly #oneAction: BatchMatrix;
  /** What a GPU repeats as one launch: an action, and updates of the critics alone and of all. */
  #graphs: { act: Graph; critics: Graph; all: Graph };
  readonly #ownsDevice: boolean;
  #random: Random;
  #steps = 0;
  #updates = 0;
  #actionsAtLimits = 0;
  readonly #masks: MaskUpdates;
  /** Figures of the latest update of critics and actor that the batch's matrices do not have. */
  #restored: Record<string, number> = {};
  /** Whether critics and actor have been updated since the agent was made or restored. */
  #updated = { critics: false, actor: false };

  /**
   * @param options observationSize, actionSize, actionLow, actionHigh, and any hyperparameter
   * @param device share a device; default: a new one from `options.device` and `options.threads`
   * @throws InvalidValueError that names a wrong option
   * @throws RunError when networks or batches of this size do not fit the memory
   */
  constructor(options: Td3Options, device?: Device) {
    this.config = resolveConfig(options);
    if (device !== undefined && !(device instanceof Device)) {
      throw invalidValue('device', 'a Device, or nothing for one of the agent alone', device);
    }
    const { batchSize, observationSize, actionSize, bufferSize, seed } = this.config;
    this.#schedules = compileSchedules(this.config);
    this.#ownsDevice = device === undefined;
    const { device: name, threads, precision, sparse, dataGradient, weightGradient } = this.config;
    const ways = { precision, sparse, dataGradient, weightGradient };
    this.device = device ?? new Device({ device: name, threads, ...ways });
    this.#checkMemory();
    this.networks = makeNetworks(this.device, this.config);
    this.#masks = new MaskUpdates(this.config, this.#schedules, this.networks);
    this.replay = this.device.replay({ capacity: bufferSize, observationSize, actionSize });
    this.#returns = new NStepReturns(this.config.nSteps, this.config.gamma);
    this.#batch = new BatchBuffers(this.device, batchSize, observationSize, actionSize);
    this.#normalizer = this.config.normalizeObservations
      ? new ObservationNormalizer(this.device, observationSize)
      : undefined;
    this.#low = Float32Array.from(this.config.actionLow);
    this.#high = Float32Array.from(this.config.actionHigh);
    this.#oneObservation = this.device.matrix(1, observationSize);
    this.#oneAction = this.device.matrix(1, actionSize);
    this.#random = new Random(seed, randomStreams.exploration);
    this.#graphs = this.#capture();
  }

  /** A GPU's memory is its own. */
  #checkMemory(): void {
    if (this.device.info.name === 'cuda') return;
    try {
      checkMemory([networksNeed(this.config), batchNeed(this.config)]);
    } catch (error) {
      if (this.#ownsDevice) this.device.close();
      throw error;
    }
  }

  #capture(): { act: Graph; critics: Graph; all: Graph } {
    const updateOnSample = (everything: boolean) =>
      this.device.capture(() => {
        this.#sampleBatch();
        this.#update(everything, this.#noise(), noDormantGradients);
      });
    return {
      act: this.device.capture(() => {
        this.networks.actor.forward(this.#oneObservation, this.#oneAction);
      }),
      critics: updateOnSample(false),
      all: updateOnSample(true),
    };
  }

  /** What the layers have, e.g. "1:8,1:8,dense": see `describeSparsity`. */
  get sparsity(): string {
    return describeSparsity(this.config);
  }

  /** Transitions observed so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Updates done so far. */
  get updates(): number {
    return this.#updates;
  }

  /** Mean and variance of the observations so far; undefined without `normalizeObservations`. */
  get observationStatistics(): ObservationStatistics | undefined {
    return this.#normalizer?.statistics;
  }

  /**
   * Warm-up is over and what it gathers was observed: `learn()` may be called. A restored agent without
   * its replay gathers as much again, with its policy, before it goes on learning.
   */
  get ready(): boolean {
    const { learningStarts, bufferSize } = this.config;
    const enough = Math.max(1, Math.min(learningStarts, bufferSize));
    const gathered = this.replay.size + this.#returns.pending;
    return this.#steps >= learningStarts && this.replay.size > 0 && gathered >= enough;
  }

  /**
   * The action for an observation, length `actionSize`, within the action range.
   *
   * With `explore` it is uniformly random during the first `learningStarts` steps, and the
   * policy's action plus clipped normal noise afterwards. Default: no exploration.
   */
  act(observation: ArrayLike<number>, options: { explore?: boolean } = {}): Float32Array {
    checkNumbers('observation', observation, this.config.observationSize);
    checkOptions('the options of act', options, ['explore']);
    const explore = checkBoolean('explore', options.explore ?? false);
    if (explore && this.#steps < this.config.learningStarts) return this.#randomAction();
    const { observationStatistics } = this;
    this.#oneObservation.set(observationStatistics?.normalized(observation) ?? observation);
    this.#graphs.act.run();
    const action = this.#oneAction.get();
    if (explore) {
      this.#countLimits(action);
      this.#addNoise(action);
    }
    return action;
  }

  /**
   * Remember a transition and count the step. The replay buffer gets it once its return of `nSteps`
   * steps is complete, or the episode ends.
   *
   * @throws InvalidValueError for wrong shapes, NaN, infinity and what float32 cannot hold; nothing
   *   is remembered then
   */
  observe(transition: Transition): void {
    const { observationSize, actionSize } = this.config;
    checkObject('transition', transition);
    checkNumbers('observation', transition.observation, observationSize);
    checkNumbers('action', transition.action, actionSize);
    checkNumbers('nextObservation', transition.nextObservation, observationSize);
    checkFloat32('reward', transition.reward);
    checkBoolean('terminated', transition.terminated);
    checkBoolean('truncated', transition.truncated ?? false);
    const source = checkInteger('source', transition.source ?? 0, 0);
    this.device.checkOpen();
    this.#remember(this.#returns.add(source, transition));
    this.observationStatistics?.add(transition.observation);
    this.#steps++;
  }

  /**
   * An environment is reset though its episode has not ended: what of it is not in the replay buffer
   * yet goes there, as at a truncation.
   *
   * @param source as in `observe`; default: every environment
   */
  cutEpisode(source?: number): void {
    if (source !== undefined) checkInteger('source', source, 0);
    this.device.checkOpen();
    this.#remember(this.#returns.cut(source));
  }

  /** Each of them is made of what `observe` has checked. */
  #remember(transitions: readonly ReplayTransition[]): void {
    for (const transition of transitions) appendChecked(this.replay, transition);
  }

  /**
   * One update: on a batch drawn from the replay buffer, or on a given one.
   *
   * @param batch transitions of one step each from elsewhere (offline data, tests);
   *   `normalizeObservations` goes for their observations too, by the statistics of what was observed
   * @param options.targetNoise standard normals [batchSize, actionSize] that target policy
   *   smoothing scales and clips; default: drawn from the seed and the number of the update
   */
  learn(batch?: TransitionBatch, options: { targetNoise?: ArrayLike<number> } = {}): void {
    checkOptions('the options of learn', options, ['targetNoise']);
    if (batch !== undefined) {
      checkObject('batch', batch, 'a batch of transitions, or undefined');
      checkOptions('batch', batch, batchParts);
    }
    this.device.checkOpen();
    const { targetNoise } = options;
    // Before anything changes.
    if (batch === undefined) this.#checkReplay();
    else this.#batch.check(batch);
    if (targetNoise !== undefined) this.#batch.checkNoise(targetNoise);
    this.#normalizer?.upload();
    // The actor and the targets take part in every policyDelay-th update.
    const everything = (this.#updates + 1) % this.config.policyDelay === 0;
    const dormant = this.#masks.gradientsFor(this.#updates + 1, this.#steps, everything);
    const isUsual = !dormant.actor && !dormant.critics;
    if (batch === undefined && targetNoise === undefined && isUsual) {
      this.#graphs[everything ? 'all' : 'critics'].run();
    } else {
      this.#sampleBatch(batch);
      this.#update(everything, this.#noise(targetNoise), dormant);
    }
    this.#updates++;
    this.#updated = { critics: true, actor: everything || this.#updated.actor };
    this.#masks.after(this.#updates, this.#steps, everything ? dormant.actor : undefined);
  }

  #update(everything: boolean, noise: BatchView | NormalSource, dormant: DormantGradients): void {
    const { critics } = this.networks;
    const { stateAction, q } = this.#batch;
    this.device.together(
      () => this.#valueNextState(noise),
      () => critics.forward(stateAction, q, { keep: true }),
    );
    this.#criticGradients(dormant.critics);
    const step = (): void => critics.adam(this.#adamOptions('criticLearningRate'));
    if (!everything) return step();
    this.device.together(step, () => this.#act());
    this.#updateActor(dormant.actor);
    this.#updateTargets();
  }

  /** Both target critics' values of the next state, at the smoothed action of the target actor. */
  #valueNextState(noise: BatchView | NormalSource): void {
    const { device, networks } = this;
    const b = this.#batch;
    const { policyNoise, noiseClip } = this.config;
    networks.actorTarget.forward(b.nextObservation, b.nextAction);
    const range = { low: this.#low, high: this.#high, noiseScale: policyNoise, noiseClip };
    device.smooth(b.nextAction, noise, range);
    networks.criticTargets.forward(b.nextStateAction, b.targetQ);
  }

  /**
   * Of the mean squared error of both critics' values to the target
   * y = r + discount * min over both target critics, where r is the sum of `nSteps` rewards, and the
   * discount gamma^nSteps, or 0 where the task ended (eq. 10 for one step).
   */
  #criticGradients(dormantGradient: boolean): void {
    const { critics } = this.networks;
    const b = this.#batch;
    const { reward, discount, targetQ: nextQ, q } = b;
    this.device.tdGradient({ reward, discount, nextQ, q }, b.target, b.qGradient);
    critics.backward(b.qGradient, { dormantGradient });
  }

  /** The policy's own actions take the place of the batch's, which are not needed any more. */
  #act(): void {
    const { observation, action } = this.#batch;
    this.networks.actor.forward(observation, action, { keep: true });
  }

  /** The actor takes a step up the first critic's value (deterministic policy gradient). */
  #updateActor(dormantGradient: boolean): void {
    const { actor, critics } = this.networks;
    const b = this.#batch;
    const { observationSize } = this.config;
    critics.forward(b.stateAction, b.policyQ, { keep: true, members: firstCritic });
    critics.backward(b.policyQGradient, {
      members: firstCritic,
      weightGradient: false,
      inputGradient: b.actionGradient,
      inputFirst: observationSize,
    });
    actor.backward(b.actionGradient, { dormantGradient });
    actor.adam(this.#adamOptions('actorLearningRate'));
  }

  #updateTargets(): void {
    const { actor, actorTarget, critics, criticTargets } = this.networks;
    const pairs = [
      { target: actorTarget, source: actor },
      { target: criticTargets, source: critics },
    ];
    this.device.polyak(pairs, this.config.tau);
  }

  #checkReplay(): void {
    if (this.replay.size > 0) return;
    const { pending } = this.#returns;
    const reason =
      pending === 0
        ? 'call observe() before learn()'
        : `none of the ${pending} steps observed has a return of nSteps steps yet; observe more`;
    throw new RunError(`The replay buffer is empty: ${reason}, or pass a batch`);
  }

  /** The batch of this update: drawn by its number, or given. */
  #sampleBatch(batch?: TransitionBatch): void {
    if (batch === undefined) this.replay.sample(this.config.seed, this.#updates, this.#batch);
    else this.#batch.load(batch, this.config.gamma);
    this.#normalizer?.normalize(this.#batch.observation, this.#batch.nextObservation);
  }

  /** The standard normals of target policy smoothing: drawn by the update's number, or given. */
  #noise(given?: ArrayLike<number>): BatchView | NormalSource {
    if (given === undefined) {
      return { seed: this.config.seed, stream: noiseStream + this.#updates };
    }
    this.#batch.loadNoise(given);
    return this.#batch.noise;
  }

  #adamOptions(rate: 'actorLearningRate' | 'criticLearningRate'): AdamOptions {
    return {
      learningRate: this.#schedules[rate].at(this.#steps),
      beta1: this.config.adamBeta1,
      beta2: this.config.adamBeta2,
      epsilon: this.config.adamEpsilon,
    };
  }

  #randomAction(): Float32Array {
    return this.#low.map((low, i) => this.#random.uniform(low, this.#high[i]));
  }

  /** How much of the policy's actions lies at their limits, over the last thousand or so: see metrics(). */
  #countLimits(action: Float32Array): void {
    const atLimit = action.reduce((count, value, i) => {
      const [low = 0, high = 0] = [this.#low[i], this.#high[i]];
      return count + Number(Math.min(value - low, high - value) < limitMargin * (high - low));
    }, 0);
    this.#actionsAtLimits += limitRate * (atLimit / action.length - this.#actionsAtLimits);
  }

  #addNoise(action: Float32Array): void {
    const scale = this.#schedules.explorationNoise.at(this.#steps);
    for (let i = 0; i < action.length; i++) {
      const low = this.#low[i] ?? 0;
      const high = this.#high[i] ?? 0;
      const moved = (action[i] ?? 0) + scale * 0.5 * (high - low) * this.#random.normal();
      action[i] = Math.min(Math.max(moved, low), high);
    }
  }

  /**
   * Figures of the latest update: `criticLoss` (sum of both critics' mean squared errors),
   * `actorLoss`, `q1Mean`, `q2Mean`, `targetMean`, schedules, for actor, critic1 and critic2
   * `density`, `sad` (positions in which online and target masks differ), `largestWeight` and `largestMoment`
   * (magnitudes; NaN if one is NaN), and `maskChanges` (entries that the last mask update changed). What an update
   * or a mask update gives is left out before there was one. What tells an agent that is stuck: `actionsAtLimits`, the share of the policy's action components
   * within half a percent of their limits, a running mean over about a thousand steps, and `idleUnits`, how many
   * hidden units are 0 for the whole batch. Reads from the device: ask for it when it is logged.
   */
  metrics(): Record<string, number> {
    const { actor, actorTarget, critics, criticTargets } = this.networks;
    return {
      ...this.#restored,
      ...this.#latestFigures(),
      actorLearningRate: this.#schedules.actorLearningRate.at(this.#steps),
      criticLearningRate: this.#schedules.criticLearningRate.at(this.#steps),
      explorationNoise: this.#schedules.explorationNoise.at(this.#steps),
      actionsAtLimits: this.#actionsAtLimits,
      'density/actor': actor.density(),
      'density/critic1': critics.density(0),
      'density/critic2': critics.density(1),
      'sad/actor': actor.divergence(actorTarget),
      'sad/critic1': critics.divergence(criticTargets, 0),
      'sad/critic2': critics.divergence(criticTargets, 1),
      // A NaN that a hidden layer's ReLU turns to 0, as a GPU's library may, shows in no loss.
      'largestWeight/actor': actor.largestWeight(),
      'largestWeight/critic1': critics.largestWeight(0),
      'largestWeight/critic2': critics.largestWeight(1),
      'largestMoment/actor': actor.largestMoment(),
      'largestMoment/critics': critics.largestMoment(),
      ...this.#masks.figures,
    };
  }

  /** What became of sparse layers on a GPU, or which of a GPU's options a CPU was given. */
  notices(): string[] {
    if (this.device.info.name === 'cpu') return describeUnused(this.config);
    return describeSparseChoices(this.device.sparseChoices());
  }

  /** Of the latest update of each: nothing before there is one. */
  #latestFigures(): Record<string, number> {
    return {
      ...(this.#updated.critics && this.#criticFigures()),
      ...(this.#updated.actor && this.#actorFigures()),
    };
  }

  #criticFigures(): Record<string, number> {
    const { critics } = this.networks;
    const b = this.#batch;
    const q = b.q.get();
    const target = b.target.get();
    let [q1, q2, y, loss] = [0, 0, 0, 0];
    target.forEach((value, i) => {
      const [first, second] = [q[2 * i] ?? NaN, q[2 * i + 1] ?? NaN];
      q1 += first;
      q2 += second;
      y += value;
      loss += (first - value) ** 2 + (second - value) ** 2;
    });
    const mean = (sum: number) => sum / target.length;
    return {
      criticLoss: mean(loss),
      q1Mean: mean(q1),
      q2Mean: mean(q2),
      targetMean: mean(y),
      'idleUnits/critic1': critics.idleUnits(0),
      'idleUnits/critic2': critics.idleUnits(1),
    };
  }

  #actorFigures(): Record<string, number> {
    const policyQ = this.#batch.policyQ.get();
    const mean = policyQ.reduce((sum, value) => sum + value, 0) / policyQ.length;
    return { actorLoss: -mean, 'idleUnits/actor': this.networks.actor.idleUnits() };
  }

  /** What the last update computed, [batchSize] each: online Q before the critics' step, target. */
  trace(): { q1: Float32Array; q2: Float32Array; target: Float32Array } {
    const b = this.#batch;
    return { q1: b.q.get(b.q.view(0, 1)), q2: b.q.get(b.q.view(1, 1)), target: b.target.get() };
  }

  /**
   * The batch of the latest update: observation, action, reward, nextObservation and discount, [batchSize, size]
   * each. Observations are as networks saw them. After an update of the actor its actions have taken the place of the
   * batch's, and are called policyAction.
   */
  latestBatch(): AgentState['tensors'] {
    const { observation, action, reward, nextObservation, discount } = this.#batch;
    const isPolicys = this.#updates % this.config.policyDelay === 0;
    const views = { observation, [isPolicys ? 'policyAction' : 'action']: action, nextObservation };
    const columns = { reward, discount };
    const tensors = Object.entries({ ...views, ...columns }).map(([name, view]) => {
      const shape = [this.config.batchSize, view.columns];
      return [name, { dtype: 'F32', shape, data: view.matrix.get(view) }] as const;
    });
    return Object.fromEntries(tensors);
  }

  /**
   * The present policy, masks applied: ReLU between layers, tanh scaled to the range at the end. It
   * takes observations as `act` does: what `normalizeObservations` does to them is in the first layer.
   */
  policy(): { layers: ExportedLayer[]; actionLow: Float32Array; actionHigh: Float32Array } {
    const { actor } = this.networks;
    const own = Array.from({ length: actor.layers }, (_, i) => ({
      weight: actor.read(i, 'maskedWeight'),
      bias: actor.read(i, 'bias'),
      inSize: actor.sizes[i] ?? 0,
      outSize: actor.sizes[i + 1] ?? 0,
    }));
    const layers = this.observationStatistics?.foldInto(own) ?? own;
    return { layers, actionLow: this.#low.slice(), actionHigh: this.#high.slice() };
  }

  /**
   * All that is needed to go on as if nothing had happened: weights, masks, moments, statistics of
   * observations, counters and random numbers; the replay buffer, and the steps on their way there, only if
   * `options.replay` asks for them.
   */
  state(options: StateOptions = {}): AgentState {
    checkOptions('the options of state', options, ['replay']);
    if (options.replay !== 'apart') checkBoolean('replay', options.replay ?? false);
    const counters = {
      steps: this.#steps,
      updates: this.#updates,
      actionsAtLimits: this.#actionsAtLimits,
      ...this.#masks.progress,
      ...(options.replay && { latest: { ...this.#restored, ...this.#latestFigures() } }),
    };
    return readState(this.#parts(), { ...counters, random: this.#random.state() }, options);
  }

  /**
   * Go on from a state. One without a replay buffer leaves the agent's own as it is; one with it
   * replaces what that holds; of one whose rows were kept apart, `replay.refill` has to have put them back.
   * Steps that the agent itself had pending are forgotten.
   *
   * @throws InvalidValueError when the state is damaged or not of an agent with this configuration;
   *   nothing has changed then
   */
  loadState(state: AgentState): void {
    const { random, ...counters } = writeState(this.#parts(), state);
    this.#steps = counters.steps;
    this.#updates = counters.updates;
    this.#actionsAtLimits = counters.actionsAtLimits;
    this.#masks.progress = counters;
    this.#restored = counters.latest ?? {};
    this.#updated = { critics: false, actor: false };
    this.#random = Random.fromState(random);
    // The replay buffer may lie elsewhere in memory now.
    for (const graph of Object.values(this.#graphs)) graph.close();
    this.#graphs = this.#capture();
  }

  /** What a state is of. */
  #parts() {
    const { networks, replay, observationStatistics, config: limits } = this;
    return { networks, replay, returns: this.#returns, observationStatistics, limits };
  }

  /** Free all that the agent made, the device too if it did. Further use throws. */
  close(): void {
    const graphs = Object.values(this.#graphs);
    const networks: Mlp[] = Object.values(this.networks);
    const matrices = [this.#batch, this.#oneObservation, this.#oneAction];
    for (const made of [this.replay, ...graphs, ...networks, ...matrices]) made.close();
    this.#normalizer?.close();
    if (this.#ownsDevice) this.device.close();
  }
}
