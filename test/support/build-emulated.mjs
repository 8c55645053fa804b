/**
 * Builds the addon with the emulated GPU, or what has changed of it, before the first test that
 * needs it: jest calls this once for a run in which there is one.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

export default function buildEmulated() {
  if (!existsSync(join(root, 'build/emulated'))) {
    console.error('Building the emulated GPU, about a minute ...');
  }
  const { status, error, stdout, stderr } = spawnSync('npm', ['run', 'build:emulated'], {
    cwd: root,
    env: { CMAKE_BUILD_PARALLEL_LEVEL: String(availableParallelism()), ...process.env },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) {
    const output = error?.message ?? `${stdout}${stderr}`;
    throw new Error(
      `The emulated GPU could not be built:\n${output}\nIt needs a C++20 compiler and CMake. ` +
        'Without them, test on the CPU alone: npm test -- --selectProjects cpu',
    );
  }
  // Native code reads it, so it has to be set before jest starts its workers. Only .ci/run looks
  // for accesses of the host to device memory: guarding it doubles the time.
  process.env.RNM_EMULATOR_PROTECT ??= '0';
}
