// Where the addon lies, and how a new one takes its place: built aside, then swapped, so that a build that
// fails leaves the addon that works.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const release = join(root, 'build', 'Release');
const addon = 'rnm.node';
/** What CMake builds beside the addon where nvcc and the headers are. */
const plugin = 'rnm_cuda.so';
/** Says which sources the addon was built from. */
const stamp = join(release, 'sources.sha256');

/** A hash of all that is compiled, and of what says how; the scripts here have no part in it. */
function hashSources() {
  const inNative = readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.mjs'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const hash = createHash('sha256');
  for (const file of [
    ...inNative.sort(),
    join(root, 'CMakeLists.txt'),
    join(root, 'binding.gyp'),
  ]) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.digest('hex');
}

/** Whether there is an addon that Node can load. It is tried in a process of its own. */
export function addonWorks() {
  const path = join(release, addon);
  return (
    existsSync(path) &&
    spawnSync(process.execPath, ['-e', 'require(process.argv[1])', path]).status === 0
  );
}

/** Whether the addon was built from the sources as they are. */
export function addonIsCurrent() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === hashSources();
}

/** Remove what an earlier build left in a build folder, so that what is there afterwards is of this one. */
export function clearOutputs(folder) {
  for (const name of [addon, plugin]) rmSync(join(folder, name), { force: true });
}

/**
 * Put what was built into place. The plugin goes first: an addon does not use one of another contract, and a
 * process that has loaded the old files keeps them.
 *
 * @returns whether there is a plugin
 */
export function swapIn(folder) {
  mkdirSync(release, { recursive: true });
  rmSync(stamp, { force: true });
  for (const name of [plugin, addon]) {
    const [built, target] = [join(folder, name), join(release, name)];
    const aside = `${target}.${process.pid}`;
    if (existsSync(built)) {
      copyFileSync(built, aside);
      renameSync(aside, target);
    } else rmSync(target, { force: true });
  }
  writeFileSync(stamp, `${hashSources()}\n`);
  return existsSync(join(release, plugin));
}
