/**
 * A file system in which things go wrong where a test says so: node:fs's own functions, each call of which is
 * counted before it is made. Not for jest, whose modules are its own: for scripts of their own process.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** The calls that change something on the disk, or make a change safe. */
const names = [
  'openSync',
  'writeSync',
  'fsyncSync',
  'ftruncateSync',
  'truncateSync',
  'renameSync',
  'linkSync',
  'copyFileSync',
  'mkdirSync',
  'rmSync',
] as const;

type Name = (typeof names)[number];
type Call = (...args: unknown[]) => unknown;

/** What is made of call number `count`, which would be `original(...args)`. */
export type Fault = (
  call: { name: Name; count: number; args: unknown[] },
  original: Call,
) => unknown;

/** What a process that dies in the middle of it leaves: nothing is called any more. */
export class Death extends Error {}

const originals = Object.fromEntries(names.map((name) => [name, fs[name]])) as Record<Name, Call>;

/**
 * Run `task` with `fault` in place of every call.
 *
 * @returns how many calls there were
 */
export async function withFaults(fault: Fault, task: () => Promise<unknown>): Promise<number> {
  let count = 0;
  for (const name of names) {
    const original = originals[name];
    const replaced: Call = (...args) => fault({ name, count: count++, args }, original);
    (fs as unknown as Record<Name, Call>)[name] = replaced;
  }
  syncBuiltinESMExports();
  try {
    await task();
  } finally {
    Object.assign(fs, originals);
    syncBuiltinESMExports();
  }
  return count;
}

/** Nothing goes wrong. */
export const noFault: Fault = ({ args }, original) => original(...args);

/** The process dies at call number `at`, after that call has been made, half made or not at all. */
export function deathAt(
  at: number,
  how: 'before' | 'half' | 'after',
  onDeath: () => void = () => {},
): Fault {
  let dead = false;
  return ({ name, count, args }, original) => {
    if (dead) throw new Death();
    if (count < at) return original(...args);
    dead = true;
    onDeath();
    if (how === 'after') original(...args);
    if (how === 'half' && name === 'writeSync') writeHalf(original, args);
    throw new Death();
  };
}

function writeHalf(write: Call, [file, bytes, offset = 0, length]: unknown[]): unknown {
  const whole = Number(length ?? (bytes as Uint8Array).length - Number(offset));
  return write(file, bytes, offset, whole >> 1);
}

/** The disk is full from call number `from` on, for so many calls: they take a part of a write, or nothing. */
export function fullDisk(from: number, calls: number): Fault {
  return ({ name, count, args }, original) => {
    const isFull = count >= from && count < from + calls;
    const takesRoom = name === 'writeSync' || (name === 'openSync' && args[1] !== 'r');
    if (!isFull || !(takesRoom || name === 'mkdirSync')) return original(...args);
    // What a full disk does: the rest of its room first, then an error.
    if (name === 'writeSync' && count === from && Number(args[3]) > 1) {
      return writeHalf(original, args);
    }
    throw Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), { code: 'ENOSPC' });
  };
}

/** Every write takes at most so many bytes, as a network's disk may. */
export function shortWrites(most: number): Fault {
  return ({ name, args }, original) => {
    if (name !== 'writeSync') return original(...args);
    const [file, bytes, offset = 0, length] = args;
    const whole = Number(length ?? (bytes as Uint8Array).length - Number(offset));
    return original(file, bytes, offset, Math.min(whole, most));
  };
}
