/** The folder that holds all of one training run. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { RunError, invalidValue } from '../errors.js';
import { readNumbers, stringifyJson } from '../json.js';
import { isTemporaryName, writeFileAtomic } from './atomic-file.js';
import type { FileContent } from './atomic-file.js';
import { readCheckpointFile } from './checkpoint.js';
import type { Checkpoint } from './checkpoint.js';
import { makeFolder, readError, writeError } from './disk.js';

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
export interface FoundCheckpoint<T = Checkpoint> {
  checkpoint: T;
  /** The file it came from. */
  path: string;
  /** Why it is not the latest one, when it is not. */
  notice?: string;
}

/** The files of a run. All but the growing ones are replaced as a whole. */
export class RunFolder {
  /** The folder as it was given. Its files have absolute paths, since the working directory may change. */
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
  /** Folder of the replay buffer's rows. */
  readonly replayPath: string;
  /** The policy, for other programs. */
  readonly policyPath: string;
  /** The policy with the best evaluation so far. */
  readonly bestPolicyPath: string;
  /** Its agent. */
  readonly bestCheckpointPath: string;
  /** The last batch of a run that has diverged. */
  readonly divergedBatchPath: string;
  /** Picture of the evaluations, as SVG. */
  readonly curveSvgPath: string;
  /** Picture of the evaluations, as PNG. */
  readonly curvePngPath: string;
  /** What came out; written last. */
  readonly summaryPath: string;
  /** Says which process writes here. */
  readonly lockPath: string;

  private constructor(path: string) {
    this.path = path;
    const root = resolve(path);
    const at = (...parts: string[]) => join(root, ...parts);
    this.configPath = at('config.json');
    this.metricsPath = at('metrics.jsonl');
    this.tensorboardPath = at('tb');
    this.checkpointPath = at('checkpoints', 'latest.safetensors');
    this.previousCheckpointPath = at('checkpoints', 'previous.safetensors');
    this.replayPath = at('replay');
    this.policyPath = at('policy.safetensors');
    this.bestPolicyPath = at('best', 'policy.safetensors');
    this.bestCheckpointPath = at('best', 'checkpoint.safetensors');
    this.divergedBatchPath = at('diverged-batch.safetensors');
    this.curveSvgPath = at('learning-curve.svg');
    this.curvePngPath = at('learning-curve.png');
    this.summaryPath = at('summary.json');
    this.lockPath = at('running.json');
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
    run.makeFolders();
    return run;
  }

  /**
   * Open the folder of a run.
   *
   * @throws RunError when there is no run at `path`
   */
  static open(path: string): RunFolder {
    if (typeof path !== 'string' || path === '') {
      throw invalidValue('path', 'the folder of a run', path);
    }
    const run = new RunFolder(path);
    if (!existsSync(path)) throw noRun(path, 'there is nothing');
    if (!statSync(path).isDirectory()) throw noRun(path, 'it is a file');
    if (!existsSync(run.configPath)) throw noRun(path, 'it holds no config.json');
    return run;
  }

  /**
   * Make the folders that files are written to, those that are not there.
   *
   * @returns whether one was missing
   * @throws RunError when one cannot be made
   */
  makeFolders(): boolean {
    const folders = [dirname(this.checkpointPath), this.tensorboardPath];
    const missing = folders.filter((folder) => !existsSync(folder));
    for (const folder of missing) makeFolder(folder);
    return missing.length > 0;
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
   * Write the newest checkpoint and keep those before it.
   *
   * @param keep how many there shall be in all, at least 1. Default: 2
   * @throws RunError when the disk does not take it; all checkpoints are as they were then
   */
  writeCheckpoint(content: FileContent, keep = 2): void {
    const older = Array.from({ length: keep - 1 }, (_, i) => this.#olderCheckpoint(i + 1));
    writeFileAtomic(this.checkpointPath, content, older);
  }

  /** Write the policy and the agent of the best evaluation so far. */
  writeBest(policy: FileContent, checkpoint: FileContent): void {
    makeFolder(dirname(this.bestPolicyPath));
    // Who finds the policy finds its agent too.
    writeFileAtomic(this.bestCheckpointPath, checkpoint);
    writeFileAtomic(this.bestPolicyPath, policy);
  }

  /**
   * Read the newest checkpoint, or one before it when the newest is missing or damaged.
   *
   * @throws RunError when none can be read; it says what is wrong with each
   */
  readCheckpoint(): FoundCheckpoint {
    return this.findCheckpoint((checkpoint) => checkpoint);
  }

  /**
   * Use the newest checkpoint that can be used.
   *
   * @param use what to do with it; if it throws, the one before it is tried
   * @returns as `checkpoint` what `use` returned
   * @throws RunError when there is none; it says what is wrong with each
   */
  findCheckpoint<T>(use: (checkpoint: Checkpoint) => T): FoundCheckpoint<T> {
    const problems: string[] = [];
    for (const path of this.checkpointPaths()) {
      try {
        const found = readCheckpointFile(path);
        const checkpoint = use(found);
        if (problems.length === 0) return { checkpoint, path };
        const notice = `${problems.join('. ')}. Using ${path} (step ${found.steps}) instead`;
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

  /** Paths of checkpoints, newest first: two, and those older ones that are there. */
  checkpointPaths(): string[] {
    const paths = [this.checkpointPath, this.previousCheckpointPath];
    for (let age = 2; existsSync(this.#olderCheckpoint(age)); age++) {
      paths.push(this.#olderCheckpoint(age));
    }
    return paths;
  }

  #olderCheckpoint(age: number): string {
    const name = age === 1 ? 'previous' : `previous-${age}`;
    return join(dirname(this.checkpointPath), `${name}.safetensors`);
  }

  /**
   * Have this checkpoint be the newest: those above it, which cannot be used, would take the place of good ones.
   *
   * @throws RunError when the files cannot be renamed
   */
  promoteCheckpoint(path: string): void {
    try {
      for (const newer of this.checkpointPaths().slice(0, this.checkpointPaths().indexOf(path))) {
        const name = `damaged-${basename(newer)}`;
        if (existsSync(newer)) renameSync(newer, join(dirname(newer), name));
      }
      if (path !== this.checkpointPath) renameSync(path, this.checkpointPath);
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** Remove what writes that were cut off by the end of a process have left. */
  clearLeftovers(): void {
    const files = [this.configPath, this.checkpointPath, this.bestPolicyPath];
    const folders = files.map((file) => dirname(file));
    for (const folder of folders.filter((each) => existsSync(each))) {
      for (const name of readdirSync(folder).filter(isTemporaryName)) {
        rmSync(join(folder, name), { force: true });
      }
    }
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
    throw readError(path, error);
  }
}

function readJson(path: string): Record<string, unknown> {
  // Unlike a Buffer's own decoding, this leaves out a byte order mark.
  const text = new TextDecoder().decode(readBytes(path));
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) {
      return readNumbers(value) as Record<string, unknown>;
    }
  } catch {
    // Told below.
  }
  throw new RunError(
    `Expected ${basename(path)} to be a JSON object but received ` +
      `${JSON.stringify(text.slice(0, 80))}. The file ${path} is damaged: copy it from a backup`,
  );
}

function json(value: object): string {
  return `${stringifyJson(value, 2)}\n`;
}
