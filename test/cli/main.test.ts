/** The command line as a process: what cannot be seen from inside. */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { packageVersion } from '../../lib/train/package-version.js';
import { runTypeScript } from '../support/run-typescript.js';
import { temporaryFolders } from '../support/temporary-folder.js';
import { smallRun } from './support.js';

// Each process transpiles and loads the sources; on a busy machine that takes seconds.
jest.setTimeout(60_000);

const main = 'lib/cli/main.ts';
const makeFolder = temporaryFolders();

test('the exit code tells success from failure', async () => {
  const version = await runTypeScript(main, ['--version'], makeFolder()).ended;
  expect(version).toMatchObject({ code: 0, stdout: `${packageVersion}\n`, stderr: '' });
  const wrong = await runTypeScript(main, ['train', 'Hopper-v5', '--tau=2'], makeFolder()).ended;
  expect(wrong).toMatchObject({ code: 1, stdout: '' });
  expect(wrong.stderr).toBe('error: Expected --tau to be a number from 0 to 1 but received 2\n');
});

test('help loads nothing heavy', async () => {
  // Whatever imports these takes tenths of a second and more.
  const heavy = ['mathjs', 'vega', 'resvg', 'mujoco', 'rnm.node'];
  const loaded = async (...args: string[]) => {
    const trace = 'export NODE_DEBUG=module,esm; exec';
    const { code, stderr } = await runTypeScript(main, args, makeFolder(), trace).ended;
    expect(code).toBe(0);
    return heavy.filter((name) => stderr.includes(name));
  };
  expect(await loaded('--help')).toEqual([]);
  expect(await loaded('train', '--help')).toEqual([]);
  expect(await loaded('info')).toEqual(['mujoco', 'rnm.node']);
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s ends a run with all of it saved',
  async (signal) => {
    const folder = makeFolder();
    const args = [...smallRun, '--steps=1000000', '--json', '--out=run'];
    const { child, ended } = runTypeScript(main, args, folder);
    // One signal only: a second one would end the process at once.
    let sent = false;
    child.stdout.on('data', (chunk: Buffer) => {
      if (!sent && chunk.toString().includes('"event":"evaluation"')) sent = child.kill(signal);
    });
    const { code, stdout } = await ended;
    expect(code).toBe(130);
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as object;
    expect(last).toMatchObject({ event: 'summary', interrupted: true, finished: false });
    const summary = JSON.parse(readFileSync(join(folder, 'run', 'summary.json'), 'utf8')) as object;
    expect(last).toMatchObject(summary);
    const evaluation = await runTypeScript(main, ['eval', 'run', '--episodes=1'], folder).ended;
    expect(evaluation).toMatchObject({ code: 0, stderr: '' });
  },
);

describe('an output that takes no more', () => {
  /** A shell command line that leaves a command's output after `lines` lines. */
  const readLines = (lines: number) =>
    `set -o pipefail; read_some() { "$@" | head -${lines}; }; read_some`;

  test('ends a run with all of it saved', async () => {
    const folder = makeFolder();
    const args = [...smallRun, '--steps=1000000', '--json', '--out=run'];
    const { code, stdout, stderr } = await runTypeScript(main, args, folder, readLines(1)).ended;
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ event: 'start' });
    const summary = JSON.parse(readFileSync(join(folder, 'run', 'summary.json'), 'utf8')) as object;
    expect(summary).toMatchObject({ interrupted: true, finished: false });
    expect(existsSync(join(folder, 'run', 'policy.safetensors'))).toBe(true);
  });

  test('ends another command quietly', async () => {
    const { ended } = runTypeScript(main, ['info'], makeFolder(), readLines(0));
    expect(await ended).toMatchObject({ code: 141, stdout: '', stderr: '' });
  });

  test('is told of where the reader is not the reason', async () => {
    const { ended } = runTypeScript(main, ['info'], makeFolder(), 'exec > /dev/full;');
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: Cannot write the output: ENOSPC.*\n$/);
  });
});

test('a terminal that is closed, and says so twice, does not cut the saving short', async () => {
  const { child, ended } = runTypeScript('test/cli/never-ends.ts', [], makeFolder());
  // It answers "ready", then "stopping" to the first signal, and never ends by itself.
  await once(child.stdout, 'data');
  child.kill('SIGHUP');
  await once(child.stdout, 'data');
  child.kill('SIGHUP');
  await setTimeout(300);
  expect(child.exitCode ?? child.signalCode).toBeNull();
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 130, stdout: 'ready\nstopping\n' });
});

test('a second signal right after the first changes nothing, a later one ends it at once', async () => {
  const { child, ended } = runTypeScript('test/cli/never-ends.ts', [], makeFolder());
  // It answers "ready", then "stopping" to the first signal, and never ends by itself.
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  child.kill('SIGTERM');
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  await setTimeout(1000);
  expect(child.exitCode ?? child.signalCode).toBeNull();
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130, stdout: 'ready\nstopping\n' });
});

test('two signals at once leave a run with all of it saved', async () => {
  const folder = makeFolder();
  const args = [...smallRun, '--steps=1000000', '--json', '--out=run'];
  const { child, ended } = runTypeScript(main, args, folder);
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  await setTimeout(20);
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130, stderr: '' });
  expect(existsSync(join(folder, 'run', 'summary.json'))).toBe(true);
  expect(existsSync(join(folder, 'run', 'policy.safetensors'))).toBe(true);
});

test('under nohup a run outlives its terminal', async () => {
  const folder = makeFolder();
  const args = [...smallRun, '--steps=1000000', '--json', '--out=run'];
  const { child, ended } = runTypeScript(main, args, folder, 'exec nohup');
  await once(child.stdout, 'data');
  child.kill('SIGHUP');
  await once(child.stdout, 'data');
  expect(child.exitCode ?? child.signalCode).toBeNull();
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130, stderr: '' });
});
