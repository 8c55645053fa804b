import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { availableIsas, loadAddon } from '../../lib/device/index.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const root = join(import.meta.dirname, '..', '..');
const temporaryFolder = temporaryFolders();
const isAddon = expect.stringMatching(/rnm\.node$/);

/** Load the addon with the compiled loader of a package folder, in a process of its own. */
function loadIn(folder: string, rnmAddon = '', agent = '') {
  const loader = join(folder, 'dist', 'device', 'loader.js');
  const code = `
    const { loadAddon } = await import(${JSON.stringify(loader)});
    try { console.log(loadAddon().path); }
    catch (error) { console.log(error.name + ': ' + error.message); process.exitCode = 3; }`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', code],
    {
      cwd: folder,
      env: { ...process.env, RNM_ADDON: rnmAddon, npm_config_user_agent: agent },
      encoding: 'utf8',
    },
  );
  return { status, output: `${stdout}${stderr}`.trim() };
}

/** A copy of the package that holds nothing but the compiled loader. */
function barePackage(): string {
  const folder = temporaryFolder();
  for (const file of [
    'package.json',
    'dist/device/loader.js',
    'dist/device/guard.js',
    'dist/device/native-error.js',
    'dist/errors.js',
    'dist/nearest.js',
    'native/package-manager.mjs',
  ]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    copyFileSync(join(root, file), join(folder, file));
  }
  return folder;
}

/** Write a file of the package, its folders included. */
function place(path: string, content: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

describe('where the addon is found', () => {
  test('from the sources', () => {
    expect(loadAddon().path).toEqual(isAddon);
    expect(loadAddon()).toBe(loadAddon());
    expect(availableIsas()).toContain('plain');
  });

  test('from the compiled package', () => {
    expect(loadIn(root, process.env['RNM_ADDON'])).toEqual({ status: 0, output: isAddon });
  });

  test('where RNM_ADDON says, relative to the working folder', () => {
    const folder = barePackage();
    copyFileSync(loadAddon().path, join(folder, 'mine.node'));
    expect(loadIn(folder, 'mine.node')).toEqual({ status: 0, output: join(folder, 'mine.node') });
  });

  test('in prebuilds, when the one in build is damaged', () => {
    const folder = barePackage();
    place(join(folder, 'build', 'Release', 'rnm.node'), 'cut off');
    const prebuilt = place(
      join(folder, 'prebuilds', `${process.platform}-${process.arch}`, 'rnm.node'),
      '',
    );
    copyFileSync(loadAddon().path, prebuilt);
    expect(loadIn(folder)).toEqual({ status: 0, output: prebuilt });
  });
});

describe('what is said when it cannot be loaded', () => {
  test('every place that was tried, each with its cause, and the remedies', () => {
    const folder = barePackage();
    const damaged = place(join(folder, 'build', 'Release', 'rnm.node'), 'no machine code');
    const { status, output } = loadIn(folder);
    expect(status).toBe(3);
    expect(output).toMatch(/^RunError: The native addon of rnm-td3 could not be loaded:/);
    // The system's own words: "file too short", "invalid ELF header", ...
    expect(output).toMatch(/Release\/rnm\.node: .*(too short|invalid|not a mach-o)/i);
    expect(output).toContain(damaged);
    expect(output).toMatch(/Debug\/rnm\.node: no such file/);
    expect(output).toMatch(/prebuilds\/\w+-\w+\/rnm\.node: no such file/);
    expect(output).toContain('npm rebuild rnm-td3');
    expect(output).toContain('npm install-scripts approve rnm-td3');
    expect(output).toContain('g++ cmake');
    expect(output).toContain(`Node ${process.version} on ${process.platform}-${process.arch}`);
    expect(output).not.toContain('RNM_ADDON');
  });

  test.each([
    ['npm/11.0.0 node/v20', 'npm rebuild rnm-td3', 'npm install-scripts approve rnm-td3'],
    ['pnpm/10.1.0 npm/? node/v20', '`pnpm rebuild`', '`pnpm approve-builds`'],
    ['yarn/1.22.22 npm/? node/v20', 'yarn install --force', 'yarn config delete ignore-scripts'],
    ['yarn/4.5.0 npm/? node/v20', 'yarn rebuild rnm-td3', '"dependenciesMeta"'],
  ])('the remedies in the words of %s', (agent, ...remedies) => {
    const { output } = loadIn(barePackage(), '', agent);
    for (const remedy of remedies) expect(output).toContain(remedy);
    expect(/(?<!p)npm rebuild/.test(output)).toBe(agent.startsWith('npm'));
  });

  test('in a checkout, the script that builds it', () => {
    const folder = barePackage();
    place(join(folder, 'tsconfig.build.json'), '{}');
    const { output } = loadIn(folder);
    expect(output).toContain('`npm run install`');
    expect(output).not.toContain('approve');
  });

  test('that RNM_ADDON names a file that is not there', () => {
    const { status, output } = loadIn(root, '/nowhere/rnm.node');
    expect(status).toBe(3);
    expect(output).toContain('/nowhere/rnm.node: no such file');
    expect(output).toContain('Unset the environment variable RNM_ADDON');
    expect(output).not.toContain('prebuilds');
  });

  test('that RNM_ADDON names a script, which is not run', () => {
    const script = place(join(temporaryFolder(), 'addon.cjs'), 'console.log("it ran")');
    const { status, output } = loadIn(root, script);
    expect(status).toBe(3);
    expect(output).toContain(`${script}: not an addon`);
    expect(output).not.toContain('it ran');
  });
});

describe('worker threads', () => {
  // A crash would take jest along, so that this runs in a process of its own.
  function runWorkers(mode: 'finish' | 'terminate') {
    const script = join(import.meta.dirname, 'workers.mjs');
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, mode], {
      encoding: 'utf8',
      timeout: 120_000,
    });
    return { status, signal, stdout, stderr };
  }

  test('several load the addon at once and compute the same', () => {
    const { status, signal, stdout, stderr } = runWorkers('finish');
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    const results = JSON.parse(stdout) as number[];
    expect(results).toHaveLength(4);
    expect(results[0]).not.toBe(0);
    expect(new Set(results).size).toBe(1);
  }, 150_000);

  test('terminated in the middle of native calls, they take nothing along', () => {
    const { status, signal, stdout, stderr } = runWorkers('terminate');
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toHaveLength(12);
  }, 150_000);
});
