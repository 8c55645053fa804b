/** A terminal that keeps what is written to it. */
import type { Terminal } from '../../lib/cli/terminal.js';

export interface CapturedTerminal extends Terminal {
  out(): string;
  err(): string;
}

export function captureTerminal(): CapturedTerminal {
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
