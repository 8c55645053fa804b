import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** A child process that runs a TypeScript file of the repository, and what comes of it. */
export interface TypeScriptProcess {
  child: ChildProcessWithoutNullStreams;
  /** Exit code or signal, and all output, once it has ended. */
  ended: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>;
}

/**
 * Start `node file ...args`, in `folder`.
 *
 * @param file relative to the repository's root
 * @param shell a shell command line before node, e.g. "ulimit -f 8; exec"
 */
export function runTypeScript(
  file: string,
  args: readonly string[],
  folder: string,
  shell = 'exec',
): TypeScriptProcess {
  const node = [
    process.execPath,
    '--import',
    join(root, 'test/support/typescript-hooks.mjs'),
    join(root, file),
    ...args,
  ];
  // A test has a process.env of its own, which names the addon of its project.
  const child = spawn('bash', ['-c', `${shell} "$@"`, 'bash', ...node], {
    cwd: folder,
    env: process.env,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<Awaited<TypeScriptProcess['ended']>>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended };
}
