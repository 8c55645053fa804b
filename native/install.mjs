// Builds the addon: with CMake (through cmake-js), or, where that fails, with npm's node-gyp.
//
//   npm run install              says one line when all goes well
//   npm run install -- --verbose shows everything the compilers say
//
// CUDA is built where CMake finds it. What is wrong with it is no reason to go without the CPU's
// kernels: if the build fails, it is tried once more without CUDA.
//
// If all fail, so does the installation, with both causes and the remedies: without the addon the
// package can do nothing. Nothing is downloaded: cmake-js and the headers of Node-API come from the
// npm registry, and node-gyp may only use headers that are on this machine.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const verbose = process.argv.includes('--verbose') || process.env.npm_config_loglevel === 'verbose';

/** Lines of a failed build's output that are worth showing: errors first, else the end. */
const shownLines = 30;

/** Run a build tool. Returns null, or what went wrong in words. */
function run(script, args) {
  const parallel = process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism());
  const result = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    env: { ...process.env, CMAKE_BUILD_PARALLEL_LEVEL: parallel, JOBS: parallel },
    stdio: verbose ? 'inherit' : 'pipe',
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (result.status === 0) return null;
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`;
  const ending = result.error?.message ?? `ended with ${result.signal ?? `code ${result.status}`}`;
  return [ending, ...excerpt(output)].join('\n');
}

/** The compiler's first error and what follows it; without one, the last lines. */
function excerpt(output) {
  const chatter = /^\s*$|^gyp (info|verb|http)|^INFO /;
  const lines = output.split('\n').filter((line) => !chatter.test(line));
  const error = lines.findIndex((line) => /\berror:|CMake Error/.test(line));
  return error < 0 ? lines.slice(-shownLines) : lines.slice(error, error + shownLines);
}

function buildWithCMake(...options) {
  let folder;
  try {
    folder = dirname(require.resolve('cmake-js/package.json'));
  } catch {
    return 'cmake-js is not installed. Run "npm ci" or "npm install" first.';
  }
  return run(join(folder, 'bin', 'cmake-js'), ['compile', ...options]);
}

function buildWithNodeGyp() {
  const prefix = dirname(dirname(process.execPath));
  const bundled = join(prefix, 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js');
  const gyp = process.env.npm_config_node_gyp ?? bundled;
  if (!existsSync(gyp)) return 'npm, which brings node-gyp, was not found. Use "npm run install".';
  const headers = process.env.npm_config_nodedir ?? prefix;
  if (!existsSync(join(headers, 'include', 'node', 'common.gypi'))) {
    return (
      `Node's headers are not in ${join(headers, 'include', 'node')}. Install them (on Debian and ` +
      'Ubuntu: libnode-dev), or set npm_config_nodedir to a folder that holds include/node.'
    );
  }
  return run(gyp, ['rebuild', `--nodedir=${headers}`]);
}

const tools = [
  { name: 'CMake', build: () => buildWithCMake() },
  { name: 'CMake, without CUDA', build: () => buildWithCMake('--CDRNM_CUDA=OFF') },
  { name: 'node-gyp', build: buildWithNodeGyp },
];
/** What the plugin is called beside the addon; CMake builds it where nvcc and the headers are. */
const plugin = join(root, 'build', 'Release', 'rnm_cuda.so');
const failures = [];
for (const { name, build } of tools) {
  const failure = build();
  if (failure === null) {
    const devices = existsSync(plugin) ? 'CPU and CUDA' : 'CPU only';
    console.log(`rnm-td3: built the native addon with ${name} (${devices})`);
    process.exit(0);
  }
  failures.push(`--- ${name}: ${failure}`);
}
console.error(`
rnm-td3: the native addon could not be built.

${failures.join('\n\n')}

What helps:
  - Install a C++20 compiler (g++ 11, clang 14 or newer) and CMake 3.19 or newer, or, in CMake's
    place, Python 3 and make. Debian and Ubuntu: apt-get install g++ cmake make
    Fedora: dnf install gcc-c++ cmake make    macOS: xcode-select --install && brew install cmake
  - Then: npm rebuild rnm-td3 (in a clone: npm run install)
  - See all that the compilers say: npm run install -- --verbose, in the package's folder
`);
process.exit(1);
