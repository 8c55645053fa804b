/** The installation where nothing can be compiled: what was there before has to stay. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadAddon } from '../../lib/device/index.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const root = join(import.meta.dirname, '..', '..');
const newFolder = temporaryFolders();

/** A package without its dependencies, so that no build tool runs. */
function makePackage(): string {
  const folder = newFolder();
  cpSync(join(root, 'native'), join(folder, 'native'), { recursive: true });
  for (const name of ['package.json', 'CMakeLists.txt', 'binding.gyp']) {
    copyFileSync(join(root, name), join(folder, name));
  }
  return folder;
}

/** The addon in a package, which is put there. */
function placeAddon(folder: string): string {
  const addon = join(folder, 'build', 'Release', 'rnm.node');
  mkdirSync(join(addon, '..'), { recursive: true });
  copyFileSync(loadAddon().path, addon);
  return addon;
}

function install(folder: string, npmCommand: string) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(folder, 'native', 'install.mjs')],
    { cwd: folder, env: { PATH: join(folder, 'none'), npm_command: npmCommand }, encoding: 'utf8' },
  );
  return { status, output: `${stdout}${stderr}` };
}

describe('an addon that cannot be built', () => {
  test('fails with every cause and what helps', () => {
    const { status, output } = install(makePackage(), 'install');
    expect(status).toBe(1);
    expect(output).toMatch(/could not be built\.\n/);
    expect(output).toContain('--- CMake: cmake-js is not installed');
    expect(output).toContain('--- node-gyp: ');
    expect(output).toContain('  - Then: npm rebuild rnm-td3\n');
  });

  test('leaves the one from before where it is', () => {
    const folder = makePackage();
    const addon = placeAddon(folder);
    const before = readFileSync(addon);
    const { status, output } = install(folder, 'rebuild');
    expect(status).toBe(1);
    expect(output).toContain('could not be built. The one from before was kept.');
    expect(readFileSync(addon).equals(before)).toBe(true);
  });

  test('is no reason for npx to fail, if the one from before works', () => {
    const folder = makePackage();
    expect(install(folder, 'exec').status).toBe(1);
    const addon = placeAddon(folder);
    expect(install(folder, 'exec')).toMatchObject({ status: 0 });
    writeFileSync(addon, 'damaged');
    expect(install(folder, 'exec').status).toBe(1);
  });
});

describe('a checkout without TypeScript', () => {
  test.each(['ci', 'install'])('is told of at once under npm %s', (command) => {
    const folder = makePackage();
    writeFileSync(join(folder, 'tsconfig.build.json'), '{}');
    const { status, output } = install(folder, command);
    expect(status).toBe(1);
    expect(output).toContain('Nothing was built.');
    expect(output).toContain(`npm ${command} --include=dev`);
    expect(output).not.toContain('--- CMake');
    expect(existsSync(join(folder, 'build'))).toBe(false);
  });
});

test('a new addon takes the place of the old one, and of a plugin that does not go with it', () => {
  const folder = makePackage();
  const addon = placeAddon(folder);
  const plugin = join(folder, 'build', 'Release', 'rnm_cuda.so');
  writeFileSync(plugin, 'of before');
  const built = join(folder, 'build', 'cmake', 'Release');
  mkdirSync(built, { recursive: true });
  writeFileSync(join(built, 'rnm.node'), 'new');
  const module = join(folder, 'native', 'addon-files.mjs');
  const code = `
    const { addonIsCurrent, swapIn } = await import(${JSON.stringify(module)});
    console.log(addonIsCurrent(), swapIn(${JSON.stringify(built)}), addonIsCurrent());
    const { appendFileSync } = await import('node:fs');
    appendFileSync(${JSON.stringify(join(folder, 'native', 'core', 'nm.h'))}, '// changed');
    console.log(addonIsCurrent());`;
  const args = ['--input-type=module', '--eval', code];
  expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({
    stdout: 'false false true\nfalse\n',
    stderr: '',
  });
  expect(readFileSync(addon, 'utf8')).toBe('new');
  expect(existsSync(plugin)).toBe(false);
});
