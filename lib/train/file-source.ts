/** Files of any size as a source of bytes: Node reads no more than 2 GiB at a time. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { RunError } from '../errors.js';
import { readError } from './disk.js';
import type { ByteSource } from './formats/safetensors.js';

const mostAtOnce = 2 ** 30;

/**
 * Open a file and have `use` read from it.
 *
 * @throws RunError when it cannot be opened or read
 */
export function withFile<T>(path: string, use: (source: ByteSource) => T): T {
  const file = opened(path);
  try {
    const { size } = fstatSync(file);
    return use({ size, read: (at, target) => fill(file, path, at, target) });
  } finally {
    closeSync(file);
  }
}

function opened(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw readError(path, error);
  }
}

function fill(file: number, path: string, at: number, target: Uint8Array): void {
  for (let done = 0; done < target.byteLength;) {
    const length = Math.min(target.byteLength - done, mostAtOnce);
    const count = readAt(file, path, target.subarray(done, done + length), at + done);
    if (count === 0) {
      const expected = at + target.byteLength;
      throw new RunError(
        `Expected ${path} to have ${expected} bytes but it ends after ${at + done}`,
      );
    }
    done += count;
  }
}

function readAt(file: number, path: string, target: Uint8Array, at: number): number {
  try {
    return readSync(file, target, 0, target.byteLength, at);
  } catch (error) {
    throw readError(path, error);
  }
}
