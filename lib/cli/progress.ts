/** The progress of a training run: a bar that is redrawn on a terminal, a line now and then elsewhere. */
import { SingleBar } from 'cli-progress';
import { formatDuration, formatNumber } from './format.js';
import type { TrainProgress } from '../train/index.js';
import { print } from './terminal.js';
import type { Output } from './terminal.js';

/** Milliseconds between two lines where the output is no terminal. */
const plainInterval = 15_000;

/** Characters of a line without its bar; a narrow terminal cuts off the end. */
const textWidth = 102;

/** Where the figures of a run are shown. */
interface Display {
  show(step: number, text: string): void;
  /** Leave the last text there. */
  stop(): void;
}

/** Shows how far a run is. */
export class ProgressBar {
  readonly #display: Display;
  readonly #total: number;
  #progress: TrainProgress | undefined;

  /** @param total environment steps of the whole run */
  constructor(output: Output, total: number) {
    this.#display = output.isTTY === true ? new Bar(output, total) : new Lines(output);
    this.#total = total;
  }

  /** Show new figures. */
  update(progress: TrainProgress): void {
    this.#progress = progress;
    this.#show(progress, describeState(progress));
  }

  /**
   * Show the last figures and leave them there.
   *
   * @param state what has become of the run; by default what it was at last
   */
  stop(state?: string): void {
    const progress = this.#progress;
    if (progress !== undefined) this.#show(progress, state ?? describeState(progress));
    this.#display.stop();
  }

  #show(progress: TrainProgress, state: string): void {
    const { step, stepsPerSecond, updatesPerSecond, lastReturn, evaluation } = progress;
    const parts = [
      `${Math.floor((100 * step) / this.#total)}%`,
      `${formatNumber(step)}/${formatNumber(this.#total)}`,
      state,
      `return ${formatNumber(lastReturn, 1)}`,
      ...(evaluation === undefined ? [] : [`eval ${formatNumber(evaluation.mean, 1)}`]),
      `${formatNumber(stepsPerSecond)} steps/s`,
      `${formatNumber(updatesPerSecond)} updates/s`,
    ];
    this.#display.show(step, parts.join('  '));
  }
}

/** What goes on, or how much longer it takes. How long evaluations take is known after the first. */
function describeState({ phase, secondsLeft, evaluation }: TrainProgress): string {
  if (phase !== 'training' || secondsLeft === undefined) return phase;
  const left = `${formatDuration(secondsLeft)} left`;
  return evaluation === undefined ? `${left} + evaluation` : left;
}

class Bar implements Display {
  readonly #bar: SingleBar;

  constructor(output: Output, total: number) {
    this.#bar = new SingleBar({
      barsize: Math.min(Math.max((output.columns ?? 100) - textWidth, 6), 30),
      barCompleteChar: '█',
      barIncompleteChar: '░',
      format: '{bar} {text}',
      hideCursor: true,
      stream: output as NodeJS.WritableStream,
      gracefulExit: false,
    });
    this.#bar.start(total, 0, { text: '' });
  }

  show(step: number, text: string): void {
    this.#bar.update(step, { text });
  }

  stop(): void {
    this.#bar.stop();
  }
}

class Lines implements Display {
  readonly #output: Output;
  #text = '';
  #written = '';
  #last = performance.now();

  constructor(output: Output) {
    this.#output = output;
  }

  show(_step: number, text: string): void {
    this.#text = text;
    if (performance.now() - this.#last >= plainInterval) this.#write();
  }

  stop(): void {
    if (this.#text !== this.#written) this.#write();
  }

  #write(): void {
    print(this.#output, this.#text);
    this.#written = this.#text;
    this.#last = performance.now();
  }
}
