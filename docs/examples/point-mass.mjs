// A task of one's own: push a point mass through the plane to a target and stop it there.
//
// All that training needs is an object like this one: sizes and ranges, reset, step, close; and for
// runs that are resumed in the middle of an episode, state and restore.
import { Random } from 'rnm-td3';

const dt = 0.05; // seconds of one step
const maxEpisodeSteps = 200;
const reachedWithin = 0.05; // metres from the target, and metres per second

export class PointMass {
  id = 'PointMass';
  /** Position (2), velocity (2), vector to the target (2). */
  observationSize = 6;
  /** Force along x and y, in newtons, on a mass of 1 kg. */
  actionSize = 2;
  actionLow = Float32Array.of(-1, -1);
  actionHigh = Float32Array.of(1, 1);

  #random = new Random(0);
  #position = [0, 0];
  #velocity = [0, 0];
  #target = [0, 0];
  #steps = 0;

  reset({ seed } = {}) {
    if (seed !== undefined) this.#random = new Random(seed);
    this.#position = [this.#random.uniform(-1, 1), this.#random.uniform(-1, 1)];
    this.#velocity = [0, 0];
    this.#target = [this.#random.uniform(-1, 1), this.#random.uniform(-1, 1)];
    this.#steps = 0;
    return this.#observe();
  }

  step(action) {
    for (const axis of [0, 1]) {
      const force = Math.min(Math.max(action[axis], -1), 1);
      this.#velocity[axis] += (force - 0.5 * this.#velocity[axis]) * dt; // with some drag
      this.#position[axis] += this.#velocity[axis] * dt;
    }
    this.#steps += 1;
    const distance = this.#distance();
    const reached = distance < reachedWithin && Math.hypot(...this.#velocity) < reachedWithin;
    return {
      observation: this.#observe(),
      reward: reached ? 10 : -distance,
      terminated: reached, // the task is over: nothing follows, so nothing is bootstrapped
      truncated: this.#steps >= maxEpisodeSteps, // only cut off: values are still bootstrapped
      info: { distance },
    };
  }

  /** Optional: all that is needed to go on from here, for runs that are resumed. */
  state() {
    return {
      position: [...this.#position],
      velocity: [...this.#velocity],
      target: [...this.#target],
      steps: this.#steps,
      random: this.#random.state(),
    };
  }

  /** Go on from what `state()` returned. What can fail comes first, so that a bad state changes nothing. */
  restore({ position, velocity, target, steps, random }) {
    const numbers = [...position, ...velocity, ...target];
    if (numbers.length !== 6 || !numbers.every(Number.isFinite)) {
      throw new TypeError('Expected the state of a PointMass to have three finite vectors');
    }
    this.#random = Random.fromState(random);
    this.#position = [...position];
    this.#velocity = [...velocity];
    this.#target = [...target];
    this.#steps = steps;
  }

  close() {}

  #distance() {
    return Math.hypot(this.#target[0] - this.#position[0], this.#target[1] - this.#position[1]);
  }

  #observe() {
    const toTarget = [this.#target[0] - this.#position[0], this.#target[1] - this.#position[1]];
    return Float64Array.of(...this.#position, ...this.#velocity, ...toTarget);
  }
}
