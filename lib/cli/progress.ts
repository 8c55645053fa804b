/** The progress bar of a training run: redrawn on a terminal, a line now and then elsewhere. */
import { SingleBar } from 'cli-progress';
import { formatDuration, formatNumber } from './format.js';
import type { TrainProgress } from '../train/index.js';
import type { Output } from './terminal.js';

/** Milliseconds between two lines where the output is no terminal. */
const plainInterval = 15_000;

const format =
  '{bar} {percentage}%  {value}/{total}  {state}  return {lastReturn}  ' +
  '{stepRate} steps/s  {updateRate} updates/s';

/** Characters of a line without its bar; a narrow terminal cuts off the end. */
const textWidth = 86;

/** Shows how far a run is. */
export class ProgressBar {
  readonly #bar: SingleBar;

  /** @param total environment steps of the whole run */
  constructor(output: Output, total: number) {
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
    this.#bar.start(total, 0, payload({ phase: 'warm-up' }));
  }

  /** Show new figures. */
  update(progress: TrainProgress): void {
    this.#bar.update(progress.step, payload(progress));
  }

  /** Draw the last state and leave it on the screen. */
  stop(): void {
    this.#bar.stop();
  }
}

function payload(progress: Partial<TrainProgress> & Pick<TrainProgress, 'phase'>) {
  const { phase, secondsLeft } = progress;
  return {
    stepRate: formatNumber(progress.stepsPerSecond),
    updateRate: formatNumber(progress.updatesPerSecond),
    lastReturn: formatNumber(progress.lastReturn, 1),
    state:
      phase === 'training' && secondsLeft !== undefined
        ? `${formatDuration(secondsLeft)} left`
        : phase,
  };
}
