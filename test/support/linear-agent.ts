import { invalidValue } from '../../lib/errors.js';
import { Random } from '../../lib/random.js';
import type { RandomState } from '../../lib/random.js';
import type {
  AgentState,
  ObservedTransition,
  PolicyNetwork,
  TrainableAgent,
} from '../../lib/train/trainable.js';

/**
 * A linear policy for one action, trained by the simplest rule there is: push the weights towards
 * random directions, the more so the better the reward. It is no good, but it is an agent.
 */
export class LinearAgent implements TrainableAgent {
  readonly config: Record<string, unknown>;
  readonly sparsity = '1:4';
  steps = 0;
  updates = 0;
  /** Every action taken with exploration. */
  readonly actions: number[] = [];
  readonly transitions: ObservedTransition[] = [];
  /** From this update on the loss is NaN. */
  divergeAt = Infinity;
  #weights = Float32Array.of(0, 0);
  #random: Random;
  #lastReward = 0;

  constructor(options: { seed?: number; learningStarts?: number; divergeAt?: number } = {}) {
    const { seed = 0, learningStarts = 10, divergeAt = Infinity } = options;
    this.config = { sparsity: '1:4', learningStarts, seed };
    this.divergeAt = divergeAt;
    this.#random = new Random(seed);
  }

  get ready(): boolean {
    return this.steps >= Number(this.config['learningStarts']);
  }

  act(observation: ArrayLike<number>, options: { explore?: boolean } = {}): Float32Array {
    const [w0 = 0, w1 = 0] = this.#weights;
    const push = Math.tanh(w0 * (observation[0] ?? NaN) + w1 * (observation[1] ?? NaN));
    const noise = options.explore === true ? 0.1 * this.#random.normal() : 0;
    const action = -0.5 + 1.5 * Math.max(-1, Math.min(1, push + noise));
    if (options.explore === true) this.actions.push(action);
    return Float32Array.of(action);
  }

  observe(transition: ObservedTransition): void {
    const { observation, nextObservation, reward } = transition;
    for (const [name, values] of Object.entries({ observation, nextObservation })) {
      Array.from(values).forEach((value, i) => {
        if (!Number.isFinite(value)) throw invalidValue(`${name}[${i}]`, 'a finite number', value);
      });
    }
    if (!Number.isFinite(reward)) throw invalidValue('reward', 'a finite number', reward);
    this.transitions.push(transition);
    this.#lastReward = reward;
    this.steps += 1;
  }

  learn(): void {
    this.updates += 1;
    const rate = 0.01 * this.#lastReward;
    this.#weights = this.#weights.map((weight) => weight + rate * this.#random.normal());
  }

  metrics(): Record<string, number> {
    const loss = this.updates >= this.divergeAt ? NaN : 1 - this.#lastReward;
    return { criticLoss: loss, 'density/actor': 0.25 };
  }

  policy(): PolicyNetwork {
    return {
      layers: [{ weight: this.#weights, bias: Float32Array.of(0), inSize: 2, outSize: 1 }],
      actionLow: Float32Array.of(-2),
      actionHigh: Float32Array.of(1),
    };
  }

  state(): AgentState {
    const { steps, updates } = this;
    const metadata = { counters: JSON.stringify({ steps, updates, random: this.#random.state() }) };
    const data = Float32Array.from(this.#weights);
    return { tensors: { weights: { dtype: 'F32', shape: [2], data } }, metadata };
  }

  loadState(state: AgentState): void {
    const weights = state.tensors['weights'];
    if (weights?.dtype !== 'F32') throw invalidValue('weights', 'a float32 tensor', weights);
    const { steps, updates, random } = JSON.parse(state.metadata['counters'] ?? '') as {
      steps: number;
      updates: number;
      random: RandomState;
    };
    this.#weights = Float32Array.from(weights.data);
    this.steps = steps;
    this.updates = updates;
    this.#random = Random.fromState(random);
  }
}
