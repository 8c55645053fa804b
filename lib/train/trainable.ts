/** What the training loop needs of an agent, so that it depends on no particular one. */
import type { SafeTensor } from './formats/safetensors.js';

/** One step of experience. */
export interface ObservedTransition {
  /** Before the step, length `observationSize`. */
  observation: ArrayLike<number>;
  /** Length `actionSize`, in the units of the environment. */
  action: ArrayLike<number>;
  reward: number;
  /** After the step, length `observationSize`. */
  nextObservation: ArrayLike<number>;
  /** The task ended: nothing is bootstrapped from `nextObservation`. */
  terminated: boolean;
  /** The episode was cut off: values are still bootstrapped. */
  truncated: boolean;
  /** Which of the environments it is of, from 0 on. */
  source: number;
}

/** A fully connected layer as exported: masked weights are zeros. */
export interface PolicyLayer {
  /** [outSize, inSize], row-major. */
  weight: Float32Array;
  /** Length outSize. */
  bias: Float32Array;
  inSize: number;
  outSize: number;
}

/**
 * A deterministic policy: ReLU between the layers, tanh after the last, then scaled from [-1, 1] to
 * the action range of each component.
 */
export interface PolicyNetwork {
  layers: PolicyLayer[];
  /** Least value of each action component. */
  actionLow: Float32Array;
  /** Greatest value of each action component. */
  actionHigh: Float32Array;
}

/** All that an agent needs to be made again as it was. */
export interface AgentState {
  tensors: Record<string, SafeTensor>;
  metadata: Record<string, string>;
}

/** What a state shall have besides what every one has. */
export interface StateOptions {
  /**
   * The replay buffer, and the steps that are on their way there: all of it (true), or `apart`: without the
   * rows themselves, for who keeps those elsewhere and puts them back with `refill` before `loadState`.
   * Default: false, nothing of it.
   */
  replay?: boolean | 'apart';
}

/** The rows of a replay buffer: each is added once, numbered from 0 on, and the oldest are overwritten. */
export interface ReplayRows {
  /** Numbers in a row. */
  readonly rowLength: number;
  /** Rows held at most. */
  readonly capacity: number;
  /** Rows held now. */
  readonly size: number;
  /** Rows added so far. */
  readonly added: number;
  /** `count` rows by age from `first` on, oldest first: [count, rowLength]. */
  read(first: number, count: number): Float32Array;
  /** Hold the newest of `added` rows, as if they had been added one by one; `read` gives them by number. */
  refill(added: number, read: (first: number, count: number) => Iterable<Float32Array>): void;
}

/** An agent that `train` and `evaluate` can drive. */
export interface TrainableAgent {
  /** Resolved hyperparameters; must survive JSON. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The pattern of its networks, for names and tables. Default: "dense". */
  readonly sparsity?: string;
  /** Transitions observed so far. */
  readonly steps: number;
  /** Calls of `learn` so far. */
  readonly updates: number;
  /** Warm-up is over and the replay holds a batch: `learn` may be called. */
  readonly ready: boolean;
  /** The action for an observation, with exploration noise if asked for. */
  act(observation: ArrayLike<number>, options?: { explore?: boolean }): Float32Array;
  /**
   * Remember a transition and count the step.
   *
   * @throws InvalidValueError when something in it is NaN or infinite; nothing is remembered then
   */
  observe(transition: ObservedTransition): void;
  /**
   * An environment, or all of them without `source`, is reset though its episode has not ended. For
   * agents that put steps together.
   */
  cutEpisode?(source?: number): void;
  /** One update from the replay. */
  learn(): void;
  /** Figures of the latest updates: losses, Q means, density and SAD per network, ... */
  metrics(): Record<string, number>;
  /** What a reader of the run's summary should know besides: a line each. */
  notices?(): string[];
  /** The present policy, with masks applied. */
  policy(): PolicyNetwork;
  /** Its replay buffer, if a run that goes on shall have it: the loop keeps its rows beside checkpoints. */
  readonly replay?: ReplayRows;
  /** The batch of the latest update, for who looks into why training has diverged. */
  latestBatch?(): AgentState['tensors'];
  state(options?: StateOptions): AgentState;
  /** @throws InvalidValueError when the state is another agent's */
  loadState(state: AgentState): void;
}
