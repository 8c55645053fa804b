/** Writing files so that a crash, a full disk or a power cut never leaves half of one behind. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { RunError, invalidValue } from '../errors.js';
import { readError, writeError } from './disk.js';

/** What a file is to hold; pieces are written one after the other. */
export type FileContent = string | Uint8Array | readonly Uint8Array[];

/**
 * Replace a file as a whole: readers see the old content or the new one, never a part.
 *
 * The bytes go to a temporary file in the same folder, to the disk, and only then to their name.
 *
 * @param keepAs when given, the file's old content is kept under the first of these names, that file's under
 *   the second and so on; all of them in the same folder
 * @throws RunError when the disk does not take it; all files are as they were then
 */
export function writeFileAtomic(
  path: string,
  content: FileContent,
  keepAs: string | readonly string[] = [],
): void {
  const names = typeof keepAs === 'string' ? [keepAs] : keepAs;
  const temporary = temporaryName(path);
  try {
    writeDurably(temporary, typeof content === 'string' ? Buffer.from(content) : content);
    if (names.length === 0 || !existsSync(path)) renameSync(temporary, path);
    else replaceAndKeep(temporary, path, names);
    syncFolder(dirname(path));
  } catch (error) {
    removeIfThere(temporary);
    throw writeError(path, error);
  }
}

/** What kept a file from being written may keep it from being removed: its name, a disk that is gone. */
function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The error that led here says more.
  }
}

function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
}

/** True for the name of a file that `writeFileAtomic` was writing when its process ended. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.\d+\.tmp$/.test(name);
}

/** The old content gets a second name first, so that `path` is never without content. */
function replaceAndKeep(source: string, path: string, keepAs: readonly string[]): void {
  const [first = path, ...others] = keepAs;
  const old = temporaryName(first);
  try {
    linkOrCopy(path, old);
    renameSync(source, path);
    try {
      shiftNames(first, others);
      renameSync(old, first);
    } catch (error) {
      renameSync(old, path);
      throw error;
    }
  } finally {
    rmSync(old, { force: true });
  }
}

/** Each file takes the next one's name, the last one's content goes. */
function shiftNames(first: string, others: readonly string[]): void {
  const names = [first, ...others];
  for (let i = names.length - 2; i >= 0; i--) {
    const [from = '', to = ''] = [names[i], names[i + 1]];
    if (existsSync(from)) renameSync(from, to);
  }
}

/** Not every file system has hard links. */
function linkOrCopy(from: string, to: string): void {
  rmSync(to, { force: true });
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
    syncFile(to);
  }
}

function writeDurably(path: string, content: Uint8Array | readonly Uint8Array[]): void {
  const file = openSync(path, 'w');
  try {
    const pieces = content instanceof Uint8Array ? [content] : content;
    for (const piece of pieces) writeAll(file, piece);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFile(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The system takes no more than 2 GiB at a time. */
const mostAtOnce = 2 ** 30;

/** A write may take fewer bytes than it is given; the next one then says why. */
function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(file, bytes, done, Math.min(bytes.length - done, mostAtOnce));
  }
}

/** Makes the new name itself survive a power cut. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } catch {
    // Some file systems cannot sync folders; the content is safe all the same.
  } finally {
    closeSync(folder);
  }
}

/** A file that only grows, by whole records: a failed append leaves nothing of its record. */
export class AppendFile {
  readonly path: string;
  #file: number | null;
  #length = 0;

  /**
   * Start a new file, or go on with one.
   *
   * @param keep go on with the file that is there, behind this many of its bytes: what follows them is cut off
   * @throws RunError when a new one is there already or cannot be made, or when one to go on with is missing or
   *   shorter
   */
  constructor(path: string, keep?: number) {
    this.path = path;
    try {
      this.#file = openSync(path, keep === undefined ? 'ax' : 'a');
      if (keep !== undefined) this.#cut(this.#file, keep);
    } catch (error) {
      throw error instanceof RunError ? error : writeError(path, error);
    }
  }

  /** Bytes of whole records. */
  get length(): number {
    return this.#length;
  }

  /** Whether the file still has its name; one that was removed takes records that nobody will read. */
  get exists(): boolean {
    try {
      return statSync(this.path).ino === fstatSync(this.#open()).ino;
    } catch {
      return false;
    }
  }

  #cut(file: number, keep: number): void {
    const { size } = fstatSync(file);
    if (size < keep) {
      closeSync(file);
      throw new RunError(`Expected ${this.path} to have ${keep} bytes but it has ${size}`);
    }
    ftruncateSync(file, keep);
    this.#length = keep;
  }

  /** @throws RunError when the disk does not take the whole record */
  append(record: Uint8Array): void {
    const file = this.#open();
    try {
      writeAll(file, record);
      this.#length += record.length;
    } catch (error) {
      this.#cutBack(file);
      throw writeError(this.path, error);
    }
  }

  /** Wait until everything appended is on the disk. */
  flush(): void {
    try {
      fsyncSync(this.#open());
    } catch (error) {
      throw writeError(this.path, error);
    }
  }

  /** Further calls of `append` throw; closing twice does no harm. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #open(): number {
    if (this.#file === null)
      throw new RunError(`Expected ${this.path} to be open but it is closed`);
    return this.#file;
  }

  #cutBack(file: number): void {
    try {
      ftruncateSync(file, this.#length);
    } catch {
      // The error of the append itself tells more than this one.
    }
  }
}

/** A file of JSON objects, one in each line. */
export class JsonLinesFile {
  readonly #file: AppendFile;

  /**
   * Start a new file, or go on behind `keep` bytes of one, as `AppendFile` does.
   *
   * @throws RunError as `AppendFile`
   */
  constructor(path: string, keep?: number) {
    this.#file = new AppendFile(path, keep);
  }

  /** The file that the lines are in. */
  get file(): AppendFile {
    return this.#file;
  }

  /** @throws RunError when the disk does not take the whole line */
  append(record: object): void {
    this.#file.append(Buffer.from(`${JSON.stringify(record)}\n`));
  }

  /** Wait until everything appended is on the disk. */
  flush(): void {
    this.#file.flush();
  }

  /** Closing twice does no harm. */
  close(): void {
    this.#file.close();
  }
}

/**
 * Read a file of JSON lines. A last line that a crash cut off is left out.
 *
 * @throws RunError when the file cannot be read or another line is not a JSON object
 */
export function readJsonLines(path: string): Record<string, unknown>[] {
  if (typeof path !== 'string' || path === '')
    throw invalidValue('path', 'the path of a file', path);
  let text: string;
  try {
    // Unlike a Buffer's own decoding, this leaves out a byte order mark.
    text = new TextDecoder().decode(readFileSync(path));
  } catch (error) {
    throw readError(path, error);
  }
  // Whatever follows the last line break was being written when the process died.
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line, i) => parseLine(line, `${path}, line ${i + 1}`));
}

function parseLine(line: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Told below, as for any other value.
  }
  throw new RunError(
    `Expected ${where} to be a JSON object but received ${JSON.stringify(line.slice(0, 80))}. ` +
      'The file was changed or damaged: remove that line to read the others',
  );
}
