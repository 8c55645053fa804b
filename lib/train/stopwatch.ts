/** How long a run takes and how fast it is. */

/** Progress at one moment of training time. */
interface Mark {
  seconds: number;
  steps: number;
  updates: number;
}

/** A shorter stretch says more about the operating system than about the run. */
const leastStretch = 0.5;

/** Times a run; evaluations are timed apart. */
export class Stopwatch {
  readonly #start = performance.now();
  #evaluationSeconds = 0;
  #evaluations = 0;
  #mark: Mark;
  #stepsPerSecond = 0;
  #updatesPerSecond = 0;

  /** Begin with what the agent has done before. */
  constructor(steps: number, updates: number) {
    this.#mark = { seconds: 0, steps, updates };
  }

  /** Seconds since the start. */
  get wallSeconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Seconds since the start without evaluations. */
  get trainSeconds(): number {
    return this.wallSeconds - this.#evaluationSeconds;
  }

  /** Mean duration of the evaluations so far. */
  get secondsPerEvaluation(): number {
    return this.#evaluations === 0 ? 0 : this.#evaluationSeconds / this.#evaluations;
  }

  /** Run `work` and count its time as evaluation. */
  async evaluation<T>(work: () => Promise<T>): Promise<T> {
    const before = this.wallSeconds;
    try {
      return await work();
    } finally {
      this.#evaluationSeconds += this.wallSeconds - before;
      this.#evaluations += 1;
    }
  }

  /** Steps and updates per second of training lately; a new stretch begins after `stretch` s. */
  rates(steps: number, updates: number, stretch = 2): { steps: number; updates: number } {
    const now = { seconds: this.trainSeconds, steps, updates };
    const seconds = now.seconds - this.#mark.seconds;
    if (seconds >= leastStretch || this.#stepsPerSecond === 0) {
      this.#stepsPerSecond = (steps - this.#mark.steps) / Math.max(seconds, 1e-9);
      this.#updatesPerSecond = (updates - this.#mark.updates) / Math.max(seconds, 1e-9);
    }
    if (seconds >= stretch) this.#mark = now;
    return { steps: this.#stepsPerSecond, updates: this.#updatesPerSecond };
  }
}
