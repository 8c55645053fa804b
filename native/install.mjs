// Builds the addon: with CMake (through cmake-js), or, where that fails, with npm's node-gyp.
//
//   npm run install              says one line when all goes well
//   npm run install -- --verbose shows everything the compilers say
//
// CUDA is built where CMake finds it. What is wrong with it is no reason to go without the CPU's
// kernels: if the build fails, it is tried once more without CUDA.
//
// If all fail, so does the installation, with both causes and the remedies: without the addon the
// package can do nothing. An addon from before stays where it is, and npx, which installs the checkout that
// it is called in, makes do with it. Nothing is downloaded: cmake-js and the headers of Node-API come from
// the npm registry, and node-gyp may only use headers that are on this machine.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { addonIsCurrent, addonWorks, clearOutputs, root, swapIn } from './addon-files.mjs';
import { isCheckout, packageManager, remedies } from './package-manager.mjs';

const require = createRequire(import.meta.url);
const verbose = process.argv.includes('--verbose') || process.env.npm_config_loglevel === 'verbose';
/** What the package manager was asked to do: "install", "ci", "exec" (npx), "run-script". */
const command = process.env.npm_command;

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

function buildWithCMake(folder, ...options) {
  let tool;
  try {
    tool = dirname(require.resolve('cmake-js/package.json'));
  } catch {
    return 'cmake-js is not installed. Run "npm ci" or "npm install" first.';
  }
  return run(join(tool, 'bin', 'cmake-js'), ['compile', '--out', folder, ...options]);
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
  // "rebuild" would begin with removing build/, and all that is in it.
  return run(gyp, ['configure', 'build', `--nodedir=${headers}`]);
}

/** What is tried in turn, each in a folder of its own in build/; `outputs` is where the addon comes to lie. */
const tools = [
  { name: 'CMake', outputs: 'cmake/Release', build: () => buildWithCMake('build/cmake') },
  {
    name: 'CMake, without CUDA',
    outputs: 'cmake-cpu/Release',
    build: () => buildWithCMake('build/cmake-cpu', '--CDRNM_CUDA=OFF'),
  },
  { name: 'node-gyp', outputs: 'node-gyp', build: buildWithNodeGyp },
];

/** Build with the first tool that can. Returns what went wrong with each, or null. */
function build() {
  const failures = [];
  for (const { name, outputs, build } of tools) {
    const folder = join(root, 'build', outputs);
    clearOutputs(folder);
    const failure = build();
    if (failure === null) {
      const devices = swapIn(folder) ? 'CPU and CUDA' : 'CPU only';
      console.log(`rnm-td3: built the native addon with ${name} (${devices})`);
      return null;
    }
    failures.push(`--- ${name}: ${failure}`);
  }
  return failures.join('\n\n');
}

/**
 * npm compiles a checkout to dist/ after this script. Without the compiler it would fail then, after minutes.
 */
function missingCompiler() {
  if (!isCheckout || (command !== 'ci' && command !== 'install')) return false;
  const folders = (process.env.PATH ?? '').split(delimiter);
  return !folders.some((folder) => existsSync(join(folder, 'tsc')));
}

function install() {
  if (missingCompiler()) {
    const manager = packageManager().replace(/\d/, '');
    console.error(`
rnm-td3: TypeScript, which compiles this checkout, was left out with the other devDependencies
(NODE_ENV=production, or --omit=dev). Nothing was built.

What helps:
  - ${manager === 'npm' ? `npm ${command} --include=dev` : `NODE_ENV=development ${manager} ${command}`}
  - To only use rnm-td3, install the package in place of a checkout: npm install rnm-td3
`);
    return 1;
  }
  // npx installs a checkout that it is called in with every new cache: that is no wish to build.
  const isCalledByNpx = command === 'exec';
  if (isCalledByNpx && addonIsCurrent() && addonWorks()) return 0;
  const failures = build();
  if (failures === null) return 0;
  if (isCalledByNpx && addonWorks()) {
    console.error(
      'rnm-td3: the sources of the native addon have changed, but it could not be built again.',
    );
    return 0;
  }
  const { rebuild } = remedies();
  console.error(`
rnm-td3: the native addon could not be built.${addonWorks() ? ' The one from before was kept.' : ''}

${failures}

What helps:
  - Install a C++20 compiler (g++ 11, clang 14 or newer) and CMake 3.19 or newer, or, in CMake's
    place, Python 3 and make. Debian and Ubuntu: apt-get install g++ cmake make
    Fedora: dnf install gcc-c++ cmake make    macOS: xcode-select --install && brew install cmake
  - Then: ${rebuild}
  - See all that the compilers say: npm run install -- --verbose, in the package's folder
`);
  return 1;
}

process.exitCode = install();
