/** Says that a process writes to a run folder, so that no other one does at the same time. */
import { readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { RunError } from '../errors.js';
import { writeFileAtomic } from './atomic-file.js';

/** Whose run it is. */
interface Holder {
  pid: number;
  host: string;
  /** When it began, in the system's own measure, since numbers of processes come again; empty where not known. */
  began: string;
}

/** Held from the start of a run to its end; one that died leaves it behind, which does no harm. */
export class RunLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param path of the file that says so, in the run folder
   * @throws RunError when a process that lives holds it, or the disk does not take it
   */
  static take(path: string): RunLock {
    const folder = dirname(path);
    const holder = readHolder(path);
    if (holder !== undefined && isAlive(holder)) {
      throw new RunError(
        `Expected ${folder} to be a run that has ended but process ${holder.pid} is training it. ` +
          `Wait until it has ended, or end it: kill ${holder.pid}`,
      );
    }
    const own: Holder = { pid: process.pid, host: hostname(), began: beginOf(process.pid) };
    writeFileAtomic(path, `${JSON.stringify(own)}\n`);
    return new RunLock(path);
  }

  release(): void {
    rmSync(this.#path, { force: true });
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(path, 'utf8')) as Partial<Holder> | null;
    const { pid, host, began } = holder ?? {};
    if (Number.isSafeInteger(pid) && typeof host === 'string' && typeof began === 'string') {
      return holder as Holder;
    }
  } catch {
    // There is none, or none that says anything.
  }
  return undefined;
}

/** Of a process on another machine nothing is known: it has to have been ended by who resumes its run here. */
function isAlive({ pid, host, began }: Holder): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is another user's, and lives.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return began === beginOf(pid);
}

/** Clock ticks from the system's start to the process's. */
function beginOf(pid: number): string {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '';
    return afterName.split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
