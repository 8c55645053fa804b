import { expect, test } from '@jest/globals';
import { join } from 'node:path';
import { runTypeScript } from '../support/run-typescript.js';
import { onCpu } from './support.js';

(onCpu && process.env['LD_PRELOAD'] === undefined ? test : test.skip)(
  'threads that cannot be started are an error, and no reason to wait for ever',
  async () => {
    const folder = join(import.meta.dirname, '..', '..');
    // Room for Node, and for some of the threads' stacks of 64 MB.
    const shell = 'ulimit -Ss 65536; ulimit -Sv 8000000; exec timeout 20';
    const run = (threads: number) =>
      runTypeScript('test/device/many-threads.ts', [`${threads}`], folder, shell).ended;
    const few = await run(2);
    expect(few).toEqual({ code: 0, signal: null, stdout: '2 threads\n', stderr: '' });
    const { code, stdout } = await run(256);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^RunError: Could not start 256 threads .*: use fewer \(--threads\)\n$/);
  },
);
