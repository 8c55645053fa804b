/** The matrices that an update computes in: made once, so that updates allocate nothing. */
import type { BatchMatrix, BatchView, BatchViews, Device } from '../device/index.js';
import { checkFloat32, invalidValue, isFloat32 } from '../errors.js';

/** A batch of single steps from outside the replay buffer: row-major arrays, B = batchSize. */
export interface TransitionBatch {
  /** [B, observationSize] */
  observation: ArrayLike<number>;
  /** [B, actionSize] */
  action: ArrayLike<number>;
  /** [B] */
  reward: ArrayLike<number>;
  /** [B, observationSize] */
  nextObservation: ArrayLike<number>;
  /** [B]: 1 where the task ended, else 0 (truncations are 0). */
  terminated: ArrayLike<number>;
}

export const batchParts = [
  'observation',
  'action',
  'reward',
  'nextObservation',
  'terminated',
] as const;

export class BatchBuffers implements BatchViews {
  /** [B, observations + actions]: the critics' input, state and action side by side. */
  readonly stateAction: BatchMatrix;
  /** The same for the next state, whose action the target actor fills in. */
  readonly nextStateAction: BatchMatrix;
  readonly observation: BatchView;
  readonly action: BatchView;
  readonly nextObservation: BatchView;
  readonly nextAction: BatchView;
  readonly reward: BatchMatrix;
  /** [B, 1]: the factor of the next state's value. */
  readonly discount: BatchMatrix;
  /** [B, actions]: given standard normals for target policy smoothing; drawn ones lie nowhere. */
  readonly noise: BatchMatrix;
  /** [B, 2]: Q of both target critics, of both critics, and its gradient. */
  readonly targetQ: BatchMatrix;
  readonly q: BatchMatrix;
  readonly qGradient: BatchMatrix;
  /** [B, 1]: TD target; Q1 of the actor's action; its constant gradient -1/B. */
  readonly target: BatchMatrix;
  readonly policyQ: BatchMatrix;
  readonly policyQGradient: BatchMatrix;
  readonly actionGradient: BatchMatrix;
  readonly #matrices: BatchMatrix[] = [];

  constructor(
    device: Device,
    readonly batchSize: number,
    observations: number,
    actions: number,
  ) {
    const make = (columns: number): BatchMatrix => {
      const matrix = device.matrix(batchSize, columns);
      this.#matrices.push(matrix);
      return matrix;
    };
    this.stateAction = make(observations + actions);
    this.nextStateAction = make(observations + actions);
    this.observation = this.stateAction.view(0, observations);
    this.action = this.stateAction.view(observations, actions);
    this.nextObservation = this.nextStateAction.view(0, observations);
    this.nextAction = this.nextStateAction.view(observations, actions);
    this.reward = make(1);
    this.discount = make(1);
    this.noise = make(actions);
    this.targetQ = make(2);
    this.q = make(2);
    this.qGradient = make(2);
    this.target = make(1);
    this.policyQ = make(1);
    this.policyQGradient = make(1);
    this.actionGradient = make(actions);
    device.fill(this.policyQGradient, -1 / batchSize);
  }

  /** Copy an explicit batch, which was checked, in. `gamma` is the discount of a step. */
  load(batch: TransitionBatch, gamma: number): void {
    const { observation, action, reward, nextObservation, terminated } = batch;
    this.observation.matrix.set(observation, this.observation);
    this.action.matrix.set(action, this.action);
    this.reward.set(reward);
    this.nextObservation.matrix.set(nextObservation, this.nextObservation);
    this.discount.set(Float32Array.from(terminated, (ended) => gamma * (1 - ended)));
  }

  /** Copy explicit standard normals [B, actions] in. */
  loadNoise(noise: ArrayLike<number>): void {
    this.noise.set(noise);
  }

  /** @throws InvalidValueError for a batch that cannot be loaded; nothing of it is then */
  check(batch: TransitionBatch): void {
    this.#check('observation', batch.observation, this.observation);
    this.#check('action', batch.action, this.action);
    this.#check('reward', batch.reward, this.reward);
    this.#check('nextObservation', batch.nextObservation, this.nextObservation);
    this.#check('terminated', batch.terminated, this.discount);
    const wrong = Array.from(batch.terminated).findIndex((ended) => !(ended >= 0 && ended <= 1));
    if (wrong < 0) return;
    throw invalidValue(`terminated[${wrong}]`, 'a number from 0 to 1', batch.terminated[wrong]);
  }

  checkNoise(noise: ArrayLike<number>): void {
    this.#check('targetNoise', noise, this.noise);
  }

  /** Free their memory now. Further use throws. */
  close(): void {
    for (const matrix of this.#matrices) matrix.close();
  }

  #check(name: string, values: ArrayLike<number>, view: BatchView): void {
    const length = this.batchSize * view.columns;
    if (values?.length !== length) {
      const shape = `${this.batchSize} x ${view.columns} numbers`;
      throw invalidValue(name, `an array of ${length} (${shape})`, values);
    }
    checkFinite(name, values);
  }
}

/** @throws InvalidValueError that names the first element that is NaN, infinite or no float32 */
export function checkFinite(name: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (!isFloat32(values[i])) checkFloat32(`${name}[${i}]`, values[i]);
  }
}
