/** Writes a file where a user says, and nothing that must not be replaced. */
import {
  constants,
  accessSync,
  chmodSync,
  existsSync,
  lstatSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { invalidValue } from '../errors.js';
import { writeFileAtomic } from '../train/atomic-file.js';
import { writeError } from '../train/disk.js';

/** Links that are followed at most, as the system does. */
const mostLinks = 40;
/** What lies in a run folder; its policy is not among it, for it may be exported again. */
const ofRun = new Set([
  'config.json',
  'metrics.jsonl',
  'summary.json',
  'learning-curve.svg',
  'learning-curve.png',
  'checkpoints',
  'replay',
  'running.json',
  'tb',
]);

/**
 * Write a file as a whole. A link stays, and the file that it leads to is written; a file that is replaced
 * gives the new one its mode.
 *
 * @throws InvalidValueError about `out` for what is no file or belongs to a run, RunError when the disk does
 *   not take it
 */
export function writeOutputFile(path: string, content: Uint8Array): void {
  const { target, present } = findTarget(path);
  checkReplaceable(path, present);
  checkNotOfRun(path, target);
  if (present === undefined) return writeFileAtomic(target, content);
  checkWritable(target);
  const mode = present.mode & 0o7777;
  // A file that others may not read must not be there for them while it is written.
  const umask = process.umask(0o777 & ~mode);
  try {
    writeFileAtomic(target, content);
    chmodSync(target, mode);
  } finally {
    process.umask(umask);
  }
}

/** The file that a path stands for, which need not be there yet, and what it is. */
function findTarget(path: string): { target: string; present: Stats | undefined } {
  try {
    const target = followLinks(path);
    return { target, present: statSync(target, { throwIfNoEntry: false }) };
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Also links that lead to no file yet, for which there is no real path. */
function followLinks(path: string): string {
  let target = path;
  for (let i = 0; i < mostLinks; i++) {
    if (lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return target;
    target = resolve(dirname(target), readlinkSync(target));
  }
  throw new Error('its links lead round in a circle');
}

function checkReplaceable(path: string, present: Stats | undefined): void {
  if (present === undefined || present.isFile()) return;
  const what = present.isDirectory() ? 'a folder' : 'a device, a pipe or a socket';
  throw invalidValue('out', 'the path of a file', path, `It is ${what}: choose another name`);
}

function checkWritable(path: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Its checkpoints and metrics are more than a policy can be made from again. */
function checkNotOfRun(path: string, target: string): void {
  let [folder, name] = [realFolder(target), basename(target)];
  while (!isRun(folder)) {
    if (dirname(folder) === folder) return;
    [folder, name] = [dirname(folder), basename(folder)];
  }
  const isBestAgent = name === 'best' && basename(target) === 'checkpoint.safetensors';
  if (!ofRun.has(name) && !isBestAgent) return;
  throw invalidValue('out', 'a file of your own', path, 'The run needs it: choose another name');
}

function realFolder(file: string): string {
  const folder = dirname(resolve(file));
  return existsSync(folder) ? realpathSync(folder) : folder;
}

function isRun(folder: string): boolean {
  return existsSync(join(folder, 'config.json')) && existsSync(join(folder, 'checkpoints'));
}
