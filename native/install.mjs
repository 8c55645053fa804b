// Builds the addon. First CMake (through cmake-js), then, where there is no CMake, node-gyp. A
// failure of both does not fail the installation: the loader then says what to do, and the parts
// of the package that need no addon still work.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** Run a build step; its output goes to the terminal. Returns the failure in words, or null. */
function attempt(name, command, args) {
  const env = {
    ...process.env,
    CMAKE_BUILD_PARALLEL_LEVEL:
      process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism()),
  };
  const result = spawnSync(command, args, { cwd: root, env, stdio: 'inherit' });
  if (result.status === 0) return null;
  return `${name}: ${result.error?.message ?? `exit code ${result.status ?? result.signal}`}`;
}

function buildWithCMake() {
  const cli = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  return attempt('cmake-js', process.execPath, [cli, 'compile']);
}

function buildWithNodeGyp() {
  const gyp = process.env.npm_config_node_gyp;
  if (!gyp) return 'node-gyp: not found (run this through npm: npm run install)';
  // Node's own headers, if it was installed with them: nothing is downloaded then.
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, 'include', 'node', 'common.gypi'));
  const args = [gyp, 'rebuild', ...(headers ? [`--nodedir=${prefix}`] : [])];
  return attempt('node-gyp', process.execPath, args);
}

const failures = [];
for (const build of [buildWithCMake, buildWithNodeGyp]) {
  const failure = build();
  if (failure === null) process.exit(0);
  failures.push(failure);
}
console.error(`rnm-td3: the native addon could not be built:\n  ${failures.join('\n  ')}`);
console.error('It needs a C++20 compiler and CMake 3.19 or newer (or Python 3 for node-gyp), e.g.');
console.error('  apt-get install g++ cmake      then: npm rebuild rnm-td3');
process.exit(1);
