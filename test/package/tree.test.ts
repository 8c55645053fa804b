/** What lies in the repository and what of it is packed: things that no other test would miss. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** All files of a folder, relative to the root, with forward slashes. */
function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
}

/** Files that git keeps or would keep; empty outside of a checkout. */
function trackedFiles(): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  if (status !== 0 || !existsSync(join(root, '.git'))) return [];
  return stdout.split('\0').filter((file) => file !== '' && existsSync(join(root, file)));
}

const tracked = trackedFiles();
const inCheckout = tracked.length > 0 ? describe : describe.skip;

inCheckout('files of the repository', () => {
  test('are at most 1 MB each', () => {
    const large = tracked.filter((file) => statSync(join(root, file)).size > 1_000_000);
    expect(large).toEqual([]);
  });

  test('are no build outputs', () => {
    const outputs = /^(build|dist|node_modules|coverage|runs)\/|\.(node|o|a|so|tgz)$/;
    expect(tracked.filter((file) => outputs.test(file))).toEqual([]);
  });
});

describe('package.json and package-lock.json', () => {
  interface Locked {
    version?: string;
    resolved?: string;
    integrity?: string;
    optionalDependencies?: Record<string, string>;
  }
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, Locked>;
  };
  const installed = Object.entries(packages).filter(([path]) => path !== '');

  test('name no registry, no tarball and no absolute path', () => {
    expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    expect(`${read('package.json')}${read('package-lock.json')}`).not.toMatch(
      /registry\.|\.tgz"|"(file|link|git[^":]*):|: "\//,
    );
  });

  test('lock every package to a version and a checksum', () => {
    expect(installed.length).toBeGreaterThan(100);
    const loose = installed.filter(([, { version, integrity }]) => !version || !integrity);
    expect(loose.map(([path]) => path)).toEqual([]);
  });

  // Left out when npm cannot get them; `npm ci` then refuses the file on every machine.
  test('lock the packages of the other platforms as well', () => {
    const missing = installed.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !packages[`${path}/node_modules/${name}`] && !packages[`node_modules/${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });
});

describe('the packed files', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [pack] = JSON.parse(output) as { files: { path: string }[]; size: number }[];
  const packed = new Set(pack!.files.map(({ path }) => path));

  test('are all that the addon is built from', () => {
    const sources = JSON.parse(read('native/sources.json')) as Record<string, string[]>;
    const headers = filesIn('native').filter((file) => file.endsWith('.h'));
    const needed = [...Object.values(sources).flat(), ...headers, 'CMakeLists.txt', 'binding.gyp'];
    expect(needed.filter((file) => !packed.has(file))).toEqual([]);
    expect(scripts['install']).toBe('node native/install.mjs');
    expect(packed).toContain('native/install.mjs');
  });

  test('are every source file that is on disk: none was forgotten in sources.json', () => {
    const sources = JSON.parse(read('native/sources.json')) as Record<string, string[]>;
    const onDisk = filesIn('native').filter((file) => /[.](cpp|cu)$/.test(file));
    expect(new Set(onDisk)).toEqual(new Set(Object.values(sources).flat()));
  });

  test('are all that was compiled; the compiler leaves nothing in lib behind', () => {
    const modules = filesIn('lib');
    expect(modules.filter((file) => !file.endsWith('.ts'))).toEqual([]);
    expect(packed).toContain('dist/index.js');
    expect(packed).toContain('dist/index.d.ts');
    expect(filesIn('dist').filter((file) => !packed.has(file))).toEqual([]);
  });

  test('are what the package exports', () => {
    const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, unknown> };
    const targets = Object.values(exports).flatMap((entry) =>
      typeof entry === 'string' ? entry : Object.values(entry as Record<string, string>),
    );
    expect(Object.keys(exports)).toContain('./cusparselt');
    expect(targets.filter((file) => !packed.has(file.replace('./', '')))).toEqual([]);
  });

  test('are a few reference cases, each with its data, and the license', () => {
    const cases = [...packed].filter((file) => /^test\/.*\.json$/.test(file));
    expect(cases.length).toBeGreaterThanOrEqual(5);
    for (const file of cases) {
      expect(packed).toContain(file.replace(/\.json$/, '.safetensors'));
    }
    expect(packed).toContain('LICENSE');
  });

  test('are nothing else, and small', () => {
    const expected = /^(dist|native|docs|bench\/peers|test\/fixtures\/td3|fonts)\/|^[^/]*$/;
    expect([...packed].filter((file) => !expected.test(file))).toEqual([]);
    expect([...packed].filter((file) => file.endsWith('.test.ts'))).toEqual([]);
    expect(pack!.size).toBeLessThan(3_000_000);
  });
});
