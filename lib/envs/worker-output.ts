/** What a task writes in a worker, at once. */
import { writeSync } from 'node:fs';
import type { Writable } from 'node:stream';

/** The parts of a worker's output stream that Node's own classes use. */
interface OutputStream {
  _writev?: Writable['_writev'];
  _write: Writable['_write'];
}

/**
 * Have a worker's stream write to a file descriptor itself. By default the worker sends what is
 * written to the main thread, in messages that are shown when both threads get back to their event
 * loops, and are lost when the process ends before; training keeps both busy.
 */
export function writeAtOnce(stream: Writable, descriptor: number): void {
  const output = stream as OutputStream;
  const sendToMain = output._writev?.bind(stream);
  output._write = (chunk: Buffer | string, encoding, done): void => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    const rest = writeAll(descriptor, bytes);
    // Whatever the matter is, the main thread knows what to do about its own streams.
    if (rest.length > 0) sendToMain?.([{ chunk: rest, encoding: 'buffer' as never }], done);
    else done();
  };
  // Several chunks at once go one by one.
  Object.defineProperty(output, '_writev', { value: undefined });
}

/** Write what can be written; what is left when the descriptor takes no more. */
function writeAll(descriptor: number, bytes: Uint8Array): Uint8Array {
  let rest = bytes;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return rest;
      // A pipe that is full: its reader needs a moment.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
  return rest;
}
