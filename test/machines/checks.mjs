// What other machines have otherwise, each tried here as far as this one allows. A check throws for what is
// wrong, and gives the reason why it was skipped, or nothing.
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { canRun, expectSame, info, root, run, smoke, smokeIn, withFolder } from './smoke.mjs';

const isRoot = process.getuid?.() === 0;
const canUnshare = isRoot && canRun('unshare', '-m', 'true');
const needsRoot = 'it needs root and unshare';
/** Someone who owns nothing. */
const nobody = 65_534;

/** Majors of Node that are supported, newest last. */
const majors = ['20', '22', '24'];

/** Programs of Node by major version: of RNM_NODES, of PATH and of the usual version managers. */
function findNodes() {
  const inFolders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...versionFolders(join(homedir(), '.nvm', 'versions', 'node')),
    ...versionFolders('/usr/local/n/versions/node'),
  ].flatMap((folder) =>
    ['node', ...majors.map((major) => `node${major}`)].map((name) => join(folder, name)),
  );
  const named = (process.env.RNM_NODES ?? '').split(delimiter).filter((path) => path !== '');
  const found = new Map();
  for (const path of [process.execPath, ...named, ...inFolders]) {
    if (!existsSync(path)) continue;
    const [, major] = /^v(\d+)/.exec(run([path, '--version'])) ?? [];
    if (major !== undefined && !found.has(major)) found.set(major, path);
  }
  return found;
}

function versionFolders(folder) {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name, 'bin')) : [];
}

const nodes = findNodes();
/** What the Node that runs this script computes. */
let reference;

function checkNode(major) {
  const node = nodes.get(major);
  if (node === undefined) return 'not found: name programs of Node in RNM_NODES, with colons';
  // The same addon for all of them, as Node-API promises.
  const hashes = smokeIn('run', { node: [node] });
  expectSame(`Node ${major}`, hashes, reference);
}

const isas = ['avx512', 'avx2', 'sse4', 'baseline', 'plain'];

function checkIsa(isa, available) {
  if (!available.includes(isa)) return 'this processor or this build has none';
  smokeIn('run', { env: { RNM_ISA: isa } });
  const env = { RNM_ISA: isa };
  run([process.execPath, join(root, 'dist', 'cli', 'main.js'), 'verify', '--device', 'cpu'], {
    env,
  });
}

function checkThreads(threads) {
  const hashes = smokeIn('run', { flags: ['--threads', String(threads)] });
  expectSame(`${threads} threads`, hashes, reference);
}

/** A copy of what an installation has, without what it was built from. */
function copyInstall(to) {
  for (const name of ['dist', 'fonts', 'native', 'package.json', 'build/Release/rnm.node']) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    cpSync(join(root, name), join(to, name), { recursive: true });
  }
}

function checkPaths() {
  withFolder((folder) => {
    const install = join(folder, 'mit Leerzeichen & "ümlaut" 日本語 %20 #', 'rnm-td3');
    mkdirSync(install, { recursive: true });
    copyInstall(install);
    symlinkSync(join(root, 'node_modules'), join(install, 'node_modules'));
    expectSame('another path', smokeIn('ein Läufchen #1 100% 日本', { install }), reference);
    // Workers are given the address of their module.
    smokeIn('über lappend', { install, flags: ['--overlap'] });
  });
}

function checkBuild() {
  if (process.env.RNM_MACHINES_BUILD !== '1')
    return 'it takes minutes: RNM_MACHINES_BUILD=1 builds';
  withFolder((folder) => {
    const install = join(folder, 'gebaut in ü 日本', 'rnm-td3');
    for (const name of [
      'native',
      'fonts',
      'dist',
      'package.json',
      'CMakeLists.txt',
      'binding.gyp',
    ]) {
      cpSync(join(root, name), join(install, name), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(install, 'node_modules'));
    run([process.execPath, join(install, 'native', 'install.mjs')], { cwd: install, minutes: 30 });
    expectSame('a build elsewhere', smokeIn('run', { install }), reference);
  });
}

/** Everything but the folder of the run is read-only, the home folder is not there, and the user nobody's. */
function checkReadOnly() {
  if (!canUnshare || !canRun('setpriv', '--version')) return `${needsRoot}, and setpriv`;
  withFolder((folder) => {
    const [mount, work] = [join(folder, 'install'), join(folder, 'work')];
    for (const path of [mount, work]) mkdirSync(path);
    chmodSync(folder, 0o755);
    chownSync(work, nobody, nobody);
    const script =
      'mount --bind "$1" "$2" && mount -o remount,bind,ro "$2" && ! touch "$2/dist/x" 2>/dev/null && shift 2 && ' +
      `exec setpriv --reuid=${nobody} --regid=${nobody} --clear-groups "$@"`;
    const node = ['unshare', '-m', 'sh', '-c', script, 'sh', root, mount, process.execPath];
    const env = { HOME: '/nonexistent', XDG_CACHE_HOME: '' };
    expectSame('nobody', smoke(work, { node, install: mount, env }), reference);
  });
}

function checkFonts() {
  if (!canUnshare) return needsRoot;
  const script =
    'for d in /usr/share/fonts /usr/local/share/fonts; do [ ! -d $d ] || mount -t tmpfs none $d; done; exec "$@"';
  const node = ['unshare', '-m', 'sh', '-c', script, 'sh', process.execPath];
  expectSame('without fonts', smokeIn('run', { node }), reference);
}

const threadsOf = (options) => info(options).devices.find(({ name }) => name === 'cpu').threads;

/** What the kernel would show under a quota, in files of the same names. */
function checkQuotaFiles(files) {
  if (!canUnshare) return needsRoot;
  const lines = Object.entries(files).map(([name, text]) => {
    return `mkdir -p "$(dirname /sys/fs/cgroup/${name})" && echo "${text}" > /sys/fs/cgroup/${name}`;
  });
  const script = `mount -t tmpfs none /sys/fs/cgroup && ${lines.join(' && ')} && exec "$@"`;
  const node = ['unshare', '-m', 'sh', '-c', script, 'sh', process.execPath];
  expectThreads(threadsOf({ node }), 1);
}

function expectThreads(actual, expected) {
  if (actual !== expected) throw new Error(`${actual} threads under a quota for ${expected}`);
}

/** A quota that the kernel itself enforces. */
function checkQuota(parent, limits) {
  if (!isRoot || !existsSync(parent)) return `there is no ${parent} that this user may write to`;
  let group;
  try {
    group = mkdtempSync(join(parent, 'rnm-machines-'));
  } catch (error) {
    return `no group can be made: ${error.message}`;
  }
  try {
    for (const [name, text] of Object.entries(limits)) {
      if (!existsSync(join(group, name))) return `${parent} does not control the processor's time`;
      writeFileSync(join(group, name), text);
    }
    const node = [
      'sh',
      '-c',
      `echo $$ > ${group}/cgroup.procs && exec "$@"`,
      'sh',
      process.execPath,
    ];
    expectThreads(threadsOf({ node }), 1);
  } finally {
    rmdirSync(group);
  }
}

/** All checks, in order: a name, and what is done. */
export function listChecks() {
  const cores = availableParallelism();
  const available = info().isas;
  return [
    ['a run as it is here', () => void (reference = smokeIn('run'))],
    ...majors.map((major) => [`Node ${major}`, () => checkNode(major)]),
    ...isas.map((isa) => [`instruction set ${isa}`, () => checkIsa(isa, available)]),
    ['one thread', () => checkThreads(1)],
    [`${4 * cores + 1} threads on ${cores} cores`, () => checkThreads(4 * cores + 1)],
    ['another user, read-only installation, no home', checkReadOnly],
    ['paths with spaces and other letters', checkPaths],
    ['a build in such a path', checkBuild],
    ['no fonts', checkFonts],
    [
      'CPU quota, version 1, by the kernel',
      () => checkQuota('/sys/fs/cgroup/cpu', { 'cpu.cfs_quota_us': '100000' }),
    ],
    [
      'CPU quota, version 2, by the kernel',
      () => checkQuota('/sys/fs/cgroup', { 'cpu.max': '100000 100000' }),
    ],
    [
      'CPU quota, version 1, by its files',
      () => checkQuotaFiles({ 'cpu/cpu.cfs_quota_us': '50000', 'cpu/cpu.cfs_period_us': '100000' }),
    ],
    ['CPU quota, version 2, by its files', () => checkQuotaFiles({ 'cpu.max': '100000 100000' })],
  ];
}
