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
  readonly #start: number;
  #evaluationSeconds: number;
  #lastEvaluation: number | undefined;
  /** Seconds of training, once it is over. */
  #trained: number | undefined;
  #mark: Mark;
  /** Seconds of training before this stretch of the run. */
  readonly #first: number;
  /** The rates are of this phase, and not left over from the one before. */
  #current = false;
  #stepsPerSecond = 0;
  #updatesPerSecond = 0;

  /**
   * Begin with what the agent has done before.
   *
   * @param before seconds that the run had taken when it was stopped, and how many of them evaluations
   */
  constructor(steps: number, updates: number, before = { wall: 0, evaluation: 0 }) {
    this.#start = performance.now() - 1000 * before.wall;
    this.#evaluationSeconds = before.evaluation;
    this.#mark = { seconds: before.wall - before.evaluation, steps, updates };
    this.#first = this.#mark.seconds;
  }

  /** For a run that goes on later. */
  get seconds(): { wall: number; evaluation: number } {
    return { wall: this.wallSeconds, evaluation: this.#evaluationSeconds };
  }

  /** Seconds since the start. */
  get wallSeconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Seconds of training, without evaluations and what comes after `endTraining()`. */
  get trainSeconds(): number {
    return this.#trained ?? this.wallSeconds - this.#evaluationSeconds;
  }

  /** Seconds of all evaluations. */
  get evaluationSeconds(): number {
    return this.#evaluationSeconds;
  }

  /** Seconds of the latest evaluation; undefined before the first. */
  get lastEvaluation(): number | undefined {
    return this.#lastEvaluation;
  }

  /** The rates tell of the present phase: enough of it has passed to say. */
  get current(): boolean {
    return this.#current;
  }

  /** What comes now has a speed of its own; what is known is kept until there is a new one. */
  beginPhase(steps: number, updates: number): void {
    this.#mark = { seconds: this.trainSeconds, steps, updates };
    this.#current = false;
  }

  /** What follows, such as saving, is no training. */
  endTraining(): void {
    this.#trained = this.trainSeconds;
  }

  /** Run `work` and count its time as evaluation. */
  async evaluation<T>(work: () => Promise<T>): Promise<T> {
    const before = this.wallSeconds;
    try {
      return await work();
    } finally {
      this.#lastEvaluation = this.wallSeconds - before;
      this.#evaluationSeconds += this.#lastEvaluation;
    }
  }

  /** Steps and updates per second of training lately; a new stretch begins after `stretch` s. */
  rates(steps: number, updates: number, stretch = 2): { steps: number; updates: number } {
    const now = { seconds: this.trainSeconds, steps, updates };
    const seconds = now.seconds - this.#mark.seconds;
    // In the beginning there is nothing to keep.
    if (seconds >= leastStretch || this.#mark.seconds === this.#first) {
      this.#current = seconds >= leastStretch;
      this.#stepsPerSecond = (steps - this.#mark.steps) / Math.max(seconds, 1e-9);
      this.#updatesPerSecond = (updates - this.#mark.updates) / Math.max(seconds, 1e-9);
    }
    if (seconds >= stretch) this.#mark = now;
    return { steps: this.#stepsPerSecond, updates: this.#updatesPerSecond };
  }
}
