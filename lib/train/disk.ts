/** Errors of the file system, in words that say what to do next. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { RunError } from '../errors.js';

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free space on it or choose a folder on another disk with --out',
  EDQUOT: 'Your quota is used up: free space or choose a folder on another disk with --out',
  EFBIG: 'The file size limit is reached: raise it (ulimit -f) or choose another disk with --out',
  EACCES: 'You may not write there: change its permissions or choose another folder with --out',
  EPERM: 'You may not write there: change its permissions or choose another folder with --out',
  EROFS: 'The disk is read-only: choose a folder on another disk with --out',
  ENOENT: 'The folder does not exist: make it first, or choose another with --out',
  EISDIR: 'It is a folder: choose the path of a file with --out',
  ENOTDIR: 'Something on that path is a file: remove it or choose another folder with --out',
  EEXIST: 'Something else is there: remove it or choose another folder with --out',
  EIO: 'The disk reports a hardware error: choose a folder on another disk with --out',
  ENAMETOOLONG: 'The name is too long: choose a shorter one with --out',
  EMFILE: 'Too many files are open: raise the limit (ulimit -n)',
};

/** A file that could not be written: what it was to hold is still in memory, and may be tried again. */
export class WriteError extends RunError {}

/**
 * Make (not throw) the error for a file that could not be written.
 *
 * @param path the file or folder
 * @param error what the file system threw
 */
export function writeError(path: string, error: unknown): WriteError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const remedy = remedies[code] ?? 'Choose another folder with --out';
  // What follows is the call and its file, which may be a temporary one.
  const reason = code === '' ? message : message.replace(/, \w+( '.*)?$/s, '');
  return new WriteError(`Expected to write ${path} but received ${reason}. ${remedy}`, {
    cause: error,
  });
}

/**
 * Make a folder and those above it, unless they are there.
 *
 * @throws RunError when one cannot be made
 */
export function makeFolder(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  const above = dirname(path);
  if (above !== path) makeFolder(above);
  try {
    // Not `recursive`: Node 20 tries for ever where the system takes no folders, as in /proc.
    mkdirSync(path);
  } catch (error) {
    const madeMeanwhile = existsSync(path) && statSync(path).isDirectory();
    if (!madeMeanwhile) throw writeError(path, error);
  }
}

/** Make (not throw) the error for a file that could not be read. */
export function readError(path: string, error: unknown): RunError {
  return new RunError(`Expected to read ${path} but received ${(error as Error).message}`, {
    cause: error,
  });
}
