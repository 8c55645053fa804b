/**
 * Builds the addon with the emulated GPU, or what has changed of it, before the first test that
 * needs it: jest calls this once for a run in which there is one.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';

export default function buildEmulated() {
  if (!existsSync('build/emulated')) console.error('Building the emulated GPU, about a minute ...');
  const { status, error, stdout, stderr } = spawnSync('npm', ['run', 'build:emulated'], {
    env: { CMAKE_BUILD_PARALLEL_LEVEL: String(availableParallelism()), ...process.env },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  // Read by native code, so it has to be set before jest starts its workers. The host's own
  // access to device memory is looked for in .ci/run: guarding it takes most of the time.
  process.env.RNM_EMULATOR_PROTECT ??= '0';
  if (status === 0) return;
  const output = error?.message ?? `${stdout}${stderr}`;
  throw new Error(
    `The emulated GPU could not be built:\n${output}\nIt needs a C++20 compiler and CMake. ` +
      'Without them, test on the CPU alone: npm test -- --selectProjects cpu',
  );
}
