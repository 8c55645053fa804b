/** Figures of a run on their way to files. */
import { JsonLinesFile } from './atomic-file.js';
import { TensorBoardWriter } from './formats/tensorboard.js';
import type { RunFolder } from './run-folder.js';

/** Figures at one moment of a run. */
export interface MetricRecord {
  /** Environment step. */
  step: number;
  /** Seconds since the run began, evaluations included. */
  wallSeconds: number;
  /** Finite numbers by name, e.g. "eval/returnMean"; the part before "/" groups them. */
  values: Readonly<Record<string, number>>;
}

/** Takes the figures of a run. Implement this to send them elsewhere as well. */
export interface MetricWriter {
  write(record: MetricRecord): void;
  /** Called before every checkpoint and at the end. */
  flush(): void;
  /** Called once, also when the run fails. */
  close(): void;
}

/** One line for each record: step, wallSeconds and the values, side by side. */
class JsonLinesMetrics implements MetricWriter {
  readonly #file: JsonLinesFile;

  constructor(path: string) {
    this.#file = new JsonLinesFile(path);
  }

  write({ step, wallSeconds, values }: MetricRecord): void {
    this.#file.append({ step, wallSeconds, ...values });
  }

  flush(): void {
    this.#file.flush();
  }

  close(): void {
    this.#file.close();
  }
}

/** One chart for each name. */
class TensorBoardMetrics implements MetricWriter {
  readonly #writer: TensorBoardWriter;

  constructor(folder: string) {
    this.#writer = new TensorBoardWriter(folder);
  }

  write({ step, values }: MetricRecord): void {
    for (const [name, value] of Object.entries(values)) this.#writer.scalar(name, value, step);
  }

  flush(): void {
    this.#writer.flush();
  }

  close(): void {
    this.#writer.close();
  }
}

/** Several writers as one. */
export class MetricLog implements MetricWriter {
  readonly #writers: readonly MetricWriter[];

  constructor(writers: readonly MetricWriter[]) {
    this.#writers = writers;
  }

  write(record: MetricRecord): void {
    for (const writer of this.#writers) writer.write(record);
  }

  flush(): void {
    for (const writer of this.#writers) writer.flush();
  }

  close(): void {
    for (const writer of this.#writers) writer.close();
  }
}

/**
 * The writers that every run has: `metrics.jsonl` and TensorBoard events.
 *
 * @throws RunError when a file cannot be made
 */
export function openMetricFiles(run: RunFolder): MetricWriter[] {
  const lines = new JsonLinesMetrics(run.metricsPath);
  try {
    return [lines, new TensorBoardMetrics(run.tensorboardPath)];
  } catch (error) {
    lines.close();
    throw error;
  }
}
