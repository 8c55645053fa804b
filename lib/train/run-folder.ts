/** The folder that holds all of one training run. */
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { RunError } from '../errors.js';
import { writeFileAtomic } from './atomic-file.js';
import { decodeCheckpoint } from './checkpoint.js';
import type { Checkpoint } from './checkpoint.js';
import { makeFolder, writeError } from './disk.js';

/** How a new run is named. */
export interface RunName {
  /** Folder to use; by default a new one in `runs/` with a name made of the rest. */
  out?: string | undefined;
  /** Task, e.g. "HalfCheetah-v5". */
  envId: string;
  /** Pattern, e.g. "1:4" or "dense". */
  sparsity: string;
  seed: number;
}

/** A checkpoint as it was found. */
export interface FoundCheckpoint {
  checkpoint: Checkpoint;
  /** The file it came from. */
  path: string;
  /** Why it is not the latest one, when it is not. */
  notice?: string;
}

/** The files of a run. All but the growing ones are replaced as a whole. */
export class RunFolder {
  /** The folder. */
  readonly path: string;
  /** Resolved configuration of the run. */
  readonly configPath: string;
  /** Metrics, one JSON object in each line. */
  readonly metricsPath: string;
  /** Folder of TensorBoard event files. */
  readonly tensorboardPath: string;
  /** The newest checkpoint. */
  readonly checkpointPath: string;
  /** The checkpoint before it. */
  readonly previousCheckpointPath: string;
  /** The policy, for other programs. */
  readonly policyPath: string;
  /** Picture of the evaluations, as SVG. */
  readonly curveSvgPath: string;
  /** Picture of the evaluations, as PNG. */
  readonly curvePngPath: string;
  /** What came out; written last. */
  readonly summaryPath: string;

  private constructor(path: string) {
    this.path = path;
    this.configPath = join(path, 'config.json');
    this.metricsPath = join(path, 'metrics.jsonl');
    this.tensorboardPath = join(path, 'tb');
    this.checkpointPath = join(path, 'checkpoints', 'latest.safetensors');
    this.previousCheckpointPath = join(path, 'checkpoints', 'previous.safetensors');
    this.policyPath = join(path, 'policy.safetensors');
    this.curveSvgPath = join(path, 'learning-curve.svg');
    this.curvePngPath = join(path, 'learning-curve.png');
    this.summaryPath = join(path, 'summary.json');
  }

  /**
   * Make the folder of a new run, by default
   * `runs/<task>-<pattern>-seed<seed>-<year month day>-<time>`.
   *
   * @throws RunError when `out` holds something already or cannot be made
   */
  static create(name: RunName): RunFolder {
    const path = name.out === undefined ? makeNamedFolder(name) : makeGivenFolder(name.out);
    const run = new RunFolder(path);
    makeFolder(dirname(run.checkpointPath));
    makeFolder(run.tensorboardPath);
    return run;
  }

  /**
   * Open the folder of a run.
   *
   * @throws RunError when there is no run at `path`
   */
  static open(path: string): RunFolder {
    const run = new RunFolder(path);
    if (!existsSync(path)) throw noRun(path, 'there is nothing');
    if (!statSync(path).isDirectory()) throw noRun(path, 'it is a file');
    if (!existsSync(run.configPath)) throw noRun(path, 'it holds no config.json');
    return run;
  }

  /** @throws RunError when the disk does not take it */
  writeConfig(config: object): void {
    writeFileAtomic(this.configPath, json(config));
  }

  /** @throws RunError when it cannot be read or is damaged */
  readConfig(): Record<string, unknown> {
    return readJson(this.configPath);
  }

  /** @throws RunError when the disk does not take it */
  writeSummary(summary: object): void {
    writeFileAtomic(this.summaryPath, json(summary));
  }

  /** @throws RunError when the run has no summary yet or it is damaged */
  readSummary(): Record<string, unknown> {
    return readJson(this.summaryPath);
  }

  /**
   * Write the newest checkpoint and keep the one before it.
   *
   * @throws RunError when the disk does not take it; both checkpoints are as they were then
   */
  writeCheckpoint(bytes: Uint8Array): void {
    writeFileAtomic(this.checkpointPath, bytes, this.previousCheckpointPath);
  }

  /**
   * Read the newest checkpoint, or the one before it when the newest is missing or damaged.
   *
   * @throws RunError when neither can be read; it says what is wrong with each
   */
  readCheckpoint(): FoundCheckpoint {
    const problems: string[] = [];
    for (const path of [this.checkpointPath, this.previousCheckpointPath]) {
      try {
        const checkpoint = decodeCheckpoint(readBytes(path), path);
        if (problems.length === 0) return { checkpoint, path };
        const notice = `${problems.join('. ')}. Using ${path} (step ${checkpoint.steps}) instead`;
        return { checkpoint, path, notice };
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
    throw new RunError(
      `Expected a whole checkpoint in ${this.path} but received none. ${problems.join('. ')}. ` +
        'Train again, or copy a checkpoint there from a backup',
    );
  }
}

function makeGivenFolder(path: string): string {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) {
      throw taken(path, 'is a file');
    }
    if (existsSync(join(path, 'config.json'))) throw taken(path, 'already holds a run');
    if (readdirSync(path).length > 0) throw taken(path, 'holds other files');
  }
  makeFolder(path);
  return path;
}

function taken(path: string, problem: string): RunError {
  return new RunError(
    `Expected ${path} to be a new or empty folder but it ${problem}. ` +
      'Choose another folder with --out, or move this one away',
  );
}

/** Runs that start in the same second get -2, -3, ... at the end. */
function makeNamedFolder({ envId, sparsity, seed }: RunName): string {
  const pattern = sparsity.replaceAll(':', 'of');
  const name = `${envId}-${pattern}-seed${seed}-${timestamp(new Date())}`;
  // A task's name may hold anything; in a path only these are safe everywhere.
  const path = join('runs', name.replaceAll(/[^\w.-]+/g, '-'));
  makeFolder('runs');
  for (let attempt = 1; ; attempt++) {
    const candidate = attempt === 1 ? path : `${path}-${attempt}`;
    try {
      mkdirSync(candidate);
      return candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw writeError(candidate, error);
    }
  }
}

/** Local time as YYYYMMDD-HHMMSS. */
function timestamp(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}`;
  return `${day}-${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
}

function noRun(path: string, problem: string): RunError {
  return new RunError(
    `Expected ${path} to be the folder of a run but ${problem}${known(path)}. ` +
      'Give the folder that `rnm-td3 train` printed, e.g. runs/HalfCheetah-v5-1of4-seed0-...',
  );
}

/** Names the runs that are there when the folder above the runs was given. */
function known(path: string): string {
  try {
    const runs = readdirSync(path).filter((name) => existsSync(join(path, name, 'config.json')));
    return runs.length === 0 ? '' : `; it holds the runs ${runs.slice(0, 5).join(', ')}`;
  } catch {
    return '';
  }
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new RunError(`Expected to read ${path} but received ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function readJson(path: string): Record<string, unknown> {
  // Unlike a Buffer's own decoding, this leaves out a byte order mark.
  const text = new TextDecoder().decode(readBytes(path));
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new RunError(
    `Expected ${basename(path)} to be a JSON object but received ` +
      `${JSON.stringify(text.slice(0, 80))}. The file ${path} is damaged: copy it from a backup`,
  );
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
