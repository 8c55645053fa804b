/** Finds out whether a command was started to outlive its terminal. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** What can be known of a process from outside of it. */
export interface ProcessTraces {
  env: NodeJS.ProcessEnv;
  /** Reads a file of /proc; empty where there is none. */
  read: (path: string) => string;
  ppid: number;
}

const here: ProcessTraces = {
  env: process.env,
  ppid: process.ppid,
  read: (path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  },
};

/**
 * Whether SIGHUP was ignored when the process began, as `nohup` and `trap '' HUP` have it. Node gives signals
 * their default meanings before any script runs, so that only traces are left: the program that a shell started,
 * which it notes in "_"; a standard input that is open for writing alone, as nohup leaves it in a terminal; and
 * a parent, the shell of a script, that ignores the signal itself.
 */
export function isHangUpIgnored({ env, ppid, read }: ProcessTraces = here): boolean {
  if (basename(env['_'] ?? '') === 'nohup') return true;
  const [, flags = '0'] = /^flags:\s*([0-7]+)/m.exec(read('/proc/self/fdinfo/0')) ?? [];
  const accessMode = Number.parseInt(flags, 8) & 3;
  const writeOnly = 1;
  if (accessMode === writeOnly) return true;
  const [, ignored = '0'] = /^SigIgn:\s*([0-9a-f]+)/m.exec(read(`/proc/${ppid}/status`)) ?? [];
  // SIGHUP is signal 1, and so the lowest bit.
  return (BigInt(`0x${ignored}`) & 1n) === 1n;
}
