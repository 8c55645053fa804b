/** Runs the command line within the test and keeps what it writes. */
import { runCommandLine } from '../../lib/cli/program.js';
import type { Terminal } from '../../lib/cli/terminal.js';

/** What came of a command. */
export interface CommandResult {
  code: number;
  /** Standard output. */
  out: string;
  /** Standard error. */
  err: string;
}

/** A terminal that keeps what is written to it. */
export function captureTerminal(): Terminal & { out(): string; err(): string } {
  const written = { out: '', err: '' };
  const output = (name: keyof typeof written) => ({
    write: (text: string | Uint8Array) => {
      written[name] += String(text);
      return true;
    },
  });
  return {
    stdout: output('out'),
    stderr: output('err'),
    out: () => written.out,
    err: () => written.err,
  };
}

/** `rnm-td3 ...args` */
export async function runCommand(...args: string[]): Promise<CommandResult> {
  const terminal = captureTerminal();
  const code = await runCommandLine(args, terminal);
  return { code, out: terminal.out(), err: terminal.err() };
}

/** Arguments of a run that takes a second or two. */
export const smallRun = [
  'train',
  'InvertedPendulum-v5',
  '--steps=300',
  '--learning-starts=100',
  '--eval-interval=150',
  '--eval-episodes=2',
  '--hidden-sizes=16,16',
  '--batch-size=16',
  '--buffer-size=1000',
  '--sparsity=2:4',
  '--mask-interval=50 + t / 10',
];
