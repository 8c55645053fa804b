/** Figures of a run on their way to files. */
import { existsSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { basename, join } from 'node:path';
import { RunError } from '../errors.js';
import { JsonLinesFile } from './atomic-file.js';
import { WriteError, writeError } from './disk.js';
import { TensorBoardWriter } from './formats/tensorboard.js';
import type { RunFolder } from './run-folder.js';
import type { MetricPositions } from './run-state.js';

/** Figures at one moment of a run. */
export interface MetricRecord {
  /** Environment step. */
  step: number;
  /** Seconds since the run began, evaluations included. */
  wallSeconds: number;
  /** Finite numbers by name, e.g. "eval/returnMean"; the part before "/" groups them. */
  values: Readonly<Record<string, number>>;
}

/**
 * Takes the figures of a run. Implement this to send them elsewhere as well; what is sent by a promise is
 * waited for at the end, and one that is rejected ends the run.
 */
export interface MetricWriter {
  write(record: MetricRecord): unknown;
  /** Called before every checkpoint and at the end. */
  flush(): unknown;
  /** Called once, also when the run fails. */
  close(): unknown;
}

/** A file of metrics: a record is taken as a whole, or not at all. */
interface MetricFile {
  append(record: MetricRecord): void;
  flush(): void;
  close(): void;
  /** Whether the file still has its name. */
  readonly exists: boolean;
}

/** Records that a disk does not take wait until it does, so that training can go on. */
class PatientFile {
  #file: MetricFile;
  readonly #reopen: () => MetricFile;
  readonly #notify: (text: string) => void;
  #waiting: MetricRecord[] = [];
  #told = false;

  constructor(open: () => MetricFile, reopen: () => MetricFile, notify: (text: string) => void) {
    this.#file = open();
    this.#reopen = reopen;
    this.#notify = notify;
  }

  write(record: MetricRecord): void {
    this.#waiting.push(record);
    try {
      this.#drain();
    } catch (error) {
      if (!(error instanceof WriteError)) throw error;
      if (!this.#told) this.#notify(`${error.message}. Training goes on; metrics wait in memory`);
      this.#told = true;
    }
  }

  /** @throws RunError when the disk does not take what waits */
  flush(): void {
    this.#drain();
    this.#file.flush();
    this.#told = false;
  }

  close(): void {
    this.#file.close();
  }

  #drain(): void {
    if (!this.#file.exists) this.#renew();
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      this.#file.append(next);
      this.#waiting.shift();
    }
  }

  #renew(): void {
    const file = this.#reopen();
    this.#file.close();
    this.#file = file;
  }
}

/** `metrics.jsonl` and TensorBoard's events of one run. */
export class MetricFiles implements MetricWriter {
  readonly #run: RunFolder;
  readonly #earlier: Record<string, number>;
  readonly #notify: (text: string) => void;
  readonly #files: readonly PatientFile[];
  #lines: JsonLinesFile | undefined;
  #events: TensorBoardWriter | undefined;

  /**
   * Begin the files, or go on with those of a run behind what it had written until then.
   *
   * @param notify told of what a user should know: files that are gone, a disk that is full
   * @throws RunError when a file cannot be made
   */
  constructor(run: RunFolder, notify: (text: string) => void, positions?: MetricPositions) {
    this.#run = run;
    this.#notify = notify;
    this.#earlier = positions === undefined ? {} : this.#cutEvents(positions.events);
    const lines = new PatientFile(
      () => this.#openLines(positions?.lines),
      () => this.#beginAgain(run.metricsPath, () => this.#openLines()),
      notify,
    );
    try {
      const openEvents = () => this.#openEvents();
      const events = new PatientFile(
        openEvents,
        () => this.#beginAgain(run.tensorboardPath, openEvents),
        notify,
      );
      this.#files = [lines, events];
    } catch (error) {
      lines.close();
      throw error;
    }
  }

  /** How much of each file is there, for a checkpoint. */
  get positions(): MetricPositions {
    const events = { ...this.#earlier };
    if (this.#events !== undefined) events[basename(this.#events.path)] = this.#events.length;
    return { lines: this.#lines?.file.length ?? 0, events };
  }

  write(record: MetricRecord): void {
    for (const file of this.#files) file.write(record);
  }

  flush(): void {
    for (const file of this.#files) file.flush();
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #openLines(keep?: number): MetricFile {
    const path = this.#run.metricsPath;
    let lines: JsonLinesFile;
    try {
      lines = new JsonLinesFile(path, keep);
    } catch (error) {
      if (keep === undefined || error instanceof WriteError) throw error;
      this.#notify(`${(error as Error).message}: what it had is lost, and it begins anew`);
      rmSync(path, { force: true });
      lines = new JsonLinesFile(path);
    }
    this.#lines = lines;
    return {
      append: ({ step, wallSeconds, values }) => lines.append({ step, wallSeconds, ...values }),
      flush: () => lines.flush(),
      close: () => lines.close(),
      get exists() {
        return lines.file.exists;
      },
    };
  }

  #openEvents(): MetricFile {
    const events = new TensorBoardWriter(this.#run.tensorboardPath);
    this.#events = events;
    return {
      append: ({ step, values }) => events.scalars(values, step),
      flush: () => events.flush(),
      close: () => events.close(),
      get exists() {
        return events.exists;
      },
    };
  }

  /** A file that was removed while it was written to. */
  #beginAgain(path: string, open: () => MetricFile): MetricFile {
    this.#run.makeFolders();
    const file = open();
    this.#notify(`${path} was removed while the run went on: what it had is lost, it begins anew`);
    return file;
  }

  /** Have event files be what they were at a checkpoint. */
  #cutEvents(lengths: Record<string, number>): Record<string, number> {
    const folder = this.#run.tensorboardPath;
    this.#run.makeFolders();
    const names = readdirSync(folder).filter((name) => name.startsWith('events.out.tfevents.'));
    try {
      for (const name of names) {
        const [path, length] = [join(folder, name), lengths[name]];
        if (length === undefined) rmSync(path);
        else if (statSync(path).size > length) truncateSync(path, length);
      }
    } catch (error) {
      throw writeError(folder, error);
    }
    return Object.fromEntries(
      Object.entries(lengths).filter(([name]) => existsSync(join(folder, name))),
    );
  }
}

/** Several writers as one. */
export class MetricLog implements MetricWriter {
  readonly #writers: readonly MetricWriter[];
  readonly #pending = new Set<Promise<void>>();
  #failure: RunError | undefined;
  #closed = false;

  constructor(writers: readonly MetricWriter[]) {
    this.#writers = writers;
  }

  /** @throws RunError when a writer fails, or an earlier promise of one was rejected */
  write(record: MetricRecord): void {
    this.#each((writer) => writer.write(record));
  }

  /** @throws RunError as `write` */
  flush(): void {
    this.#each((writer) => writer.flush());
  }

  /** Wait for what writers do on their own. @throws RunError when that failed */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
    this.#check();
  }

  /** Close every writer once, also if one of them fails. @throws RunError when one did */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const writer of this.#writers) {
      try {
        this.#follow(writer.close());
      } catch (error) {
        this.#fail(error);
      }
    }
    await this.settle();
  }

  #each(call: (writer: MetricWriter) => unknown): void {
    this.#check();
    for (const writer of this.#writers) {
      try {
        this.#follow(call(writer));
      } catch (error) {
        if (error instanceof RunError) throw error;
        this.#fail(error);
      }
    }
    this.#check();
  }

  #follow(result: unknown): void {
    if (!isPromise(result)) return;
    const settled: Promise<void> = Promise.resolve(result)
      .then(
        () => {},
        (error: unknown) => this.#fail(error),
      )
      .finally(() => this.#pending.delete(settled));
    this.#pending.add(settled);
  }

  #fail(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= new RunError(`A writer of metrics failed: ${reason}`, { cause });
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Promise<void> | undefined)?.then === 'function';
}
