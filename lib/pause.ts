/** Letting timers, signals and progress displays run while a long loop is busy. */
import { setImmediate } from 'node:timers/promises';

/**
 * Gives way to the event loop, at most every `interval` milliseconds; between those times asking
 * costs no more than looking at the clock.
 */
export class Pause {
  readonly #interval: number;
  #last = performance.now();

  /** @param interval milliseconds of work between two pauses */
  constructor(interval = 50) {
    this.#interval = interval;
  }

  /** True when it is time to `await` a pause. */
  get due(): boolean {
    return performance.now() - this.#last >= this.#interval;
  }

  /** Let everything else that waits run once. */
  async take(): Promise<void> {
    await setImmediate();
    this.#last = performance.now();
  }
}
