// A short run of everything that is installed, in a process and a folder of its own.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

/** A temporary folder while `use` runs. */
export function withFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'rnm-machines-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Run a command; what it wrote on standard output. Throws with all that it said if it fails. */
export function run(command, { cwd, env = {}, minutes = 5 } = {}) {
  const [program, ...args] = command;
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: minutes * 60_000,
  });
  if (status === 0) return stdout;
  const ending = error?.message ?? signal ?? `code ${status}`;
  throw new Error(`${command.join(' ')} ended with ${ending}\n${stdout ?? ''}${stderr ?? ''}`);
}

/** Whether a command can be run here. */
export function canRun(...command) {
  return spawnSync(command[0], command.slice(1), { stdio: 'ignore' }).status === 0;
}

const training = [
  'train InvertedPendulum-v5 --steps 300 --learning-starts 100 --seed 3 --device cpu --json',
  '--batch-size 32 --hidden-sizes 32,32 --sparsity 2:4',
  '--eval-interval 150 --eval-episodes 2 --checkpoint-interval 150',
].flatMap((flags) => flags.split(' '));

/**
 * Train, evaluate and export in `folder`.
 *
 * @param node the program, with what comes before it, such as ["setpriv", ..., "node"]
 * @param install the folder of the package
 * @returns hashes of the weights and of the picture, which say whether two machines computed the same
 */
export function smoke(
  folder,
  { node = [process.execPath], install = root, env = {}, flags = [] } = {},
) {
  const cli = (...args) => {
    return run([...node, join(install, 'dist', 'cli', 'main.js'), ...args], { cwd: folder, env });
  };
  cli(...training, ...flags, '--out', 'a run');
  const { returns } = JSON.parse(cli('eval', 'a run', '--episodes', '2', '--json'));
  if (returns.length !== 2) throw new Error(`eval gave ${returns.length} returns of 2`);
  cli('export', 'a run', '--format', 'onnx', '--out', 'policy.onnx');
  const hash = (name) =>
    createHash('sha256')
      .update(readFileSync(join(folder, 'a run', name)))
      .digest('hex');
  const hashes = { policy: hash('policy.safetensors'), picture: hash('learning-curve.png') };
  rmSync(join(folder, 'a run'), { recursive: true });
  rmSync(join(folder, 'policy.onnx'));
  return hashes;
}

/** A smoke run in a new folder; `name` may have any characters. */
export function smokeIn(name, options) {
  return withFolder((parent) => {
    const folder = join(parent, name);
    mkdirSync(folder);
    return smoke(folder, options);
  });
}

/** Throws unless both runs gave the same bits. */
export function expectSame(what, actual, expected) {
  for (const key of Object.keys(expected)) {
    if (actual[key] !== expected[key]) throw new Error(`${what}: the ${key} is another one`);
  }
}

/** What `rnm-td3 info --json` says. */
export function info({ node = [process.execPath], env = {} } = {}) {
  return JSON.parse(
    run([...node, join(root, 'dist', 'cli', 'main.js'), 'info', '--json'], { env }),
  );
}
