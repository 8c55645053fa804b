/** The progress bar of a training run: redrawn on a terminal, a line now and then elsewhere. */
import { SingleBar } from 'cli-progress';
import { formatDuration, formatNumber } from './format.js';
import type { Output } from './terminal.js';

/** Milliseconds between two lines where the output is no terminal. */
const plainInterval = 15_000;

const format =
  '{bar} {percentage}%  {value}/{total}  {stepRate} steps/s  {updateRate} updates/s  ' +
  'return {lastReturn}  {left} left';

/** Characters of a line without its bar. */
const textWidth = 82;

/** What the bar shows. */
export interface ProgressFigures {
  /** Environment steps done. */
  step: number;
  stepsPerSecond: number;
  updatesPerSecond: number;
  /** Return of the last training episode; null before the first has ended. */
  lastReturn: number | null;
}

/** Shows how far a run is. */
export class ProgressBar {
  readonly #bar: SingleBar;
  readonly #total: number;

  /** @param total environment steps of the whole run */
  constructor(output: Output, total: number) {
    this.#total = total;
    this.#bar = new SingleBar({
      barsize: Math.min(Math.max((output.columns ?? 100) - textWidth, 6), 30),
      barCompleteChar: '█',
      barIncompleteChar: '░',
      format,
      formatValue: (value, _, type) =>
        type === 'value' || type === 'total' ? formatNumber(value) : String(value),
      hideCursor: true,
      stream: output as NodeJS.WritableStream,
      noTTYOutput: true,
      notTTYSchedule: plainInterval,
      gracefulExit: false,
    });
    this.#bar.start(total, 0, this.#payload(0, NaN, NaN, null));
  }

  /** Show new figures. */
  update({ step, stepsPerSecond, updatesPerSecond, lastReturn }: ProgressFigures): void {
    this.#bar.update(step, this.#payload(step, stepsPerSecond, updatesPerSecond, lastReturn));
  }

  /** Draw the last state and leave it on the screen. */
  stop(): void {
    this.#bar.stop();
  }

  #payload(step: number, stepRate: number, updateRate: number, lastReturn: number | null) {
    return {
      stepRate: formatNumber(stepRate),
      updateRate: formatNumber(updateRate),
      lastReturn: formatNumber(lastReturn, 1),
      // The present rate, not the mean: warm-up without updates is far faster than what follows.
      left: formatDuration((this.#total - step) / stepRate),
    };
  }
}
