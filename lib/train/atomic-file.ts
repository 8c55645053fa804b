/** Writing files so that a crash, a full disk or a power cut never leaves half of one behind. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { RunError } from '../errors.js';
import { writeError } from './disk.js';

/**
 * Replace a file as a whole: readers see the old content or the new one, never a part.
 *
 * The bytes go to a temporary file in the same folder, to the disk, and only then to their name.
 *
 * @param keepAs when given, the file's old content is kept under this name, in the same folder
 * @throws RunError when the disk does not take it; both files are as they were then
 */
export function writeFileAtomic(path: string, content: Uint8Array | string, keepAs?: string): void {
  const temporary = temporaryName(path);
  try {
    writeDurably(temporary, typeof content === 'string' ? Buffer.from(content) : content);
    if (keepAs === undefined || !existsSync(path)) renameSync(temporary, path);
    else replaceAndKeep(temporary, path, keepAs);
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

/** The old content gets a second name first, so that `path` is never without content. */
function replaceAndKeep(source: string, path: string, keepAs: string): void {
  const old = temporaryName(keepAs);
  try {
    linkOrCopy(path, old);
    renameSync(source, path);
    try {
      renameSync(old, keepAs);
    } catch (error) {
      renameSync(old, path);
      throw error;
    }
  } finally {
    rmSync(old, { force: true });
  }
}

/** Not every file system has hard links. */
function linkOrCopy(from: string, to: string): void {
  rmSync(to, { force: true });
  try {
    linkSync(from, to);
  } catch {
    writeDurably(to, readFileSync(from));
  }
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'w');
  try {
    writeAll(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** A write may take fewer bytes than it is given; the next one then says why. */
function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
}

/** Makes the new name itself survive a power cut. */
function syncFolder(path: string): void {
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
   * Start a new file.
   *
   * @throws RunError when it is there already or cannot be made
   */
  constructor(path: string) {
    this.path = path;
    try {
      this.#file = openSync(path, 'ax');
    } catch (error) {
      throw writeError(path, error);
    }
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

  /** @throws RunError when the file is there already or cannot be made */
  constructor(path: string) {
    this.#file = new AppendFile(path);
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
  let text: string;
  try {
    // Unlike a Buffer's own decoding, this leaves out a byte order mark.
    text = new TextDecoder().decode(readFileSync(path));
  } catch (error) {
    throw new RunError(`Expected to read ${path} but received ${(error as Error).message}`, {
      cause: error,
    });
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
