/** What is measured to choose between sparse and dense products, and what of it is kept on disk. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Device } from '../../lib/device/index.js';
import type { DeviceOptions, MlpOptions, SparseChoice } from '../../lib/device/index.js';
import { runTypeScript } from '../support/run-typescript.js';
import { deviation, randomFloats } from './reference.js';
import { testDevice } from './support.js';

const root = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'rnm-choice-'));
afterAll(() => rmSync(folder, { recursive: true }));
let cache = '';
let caches = 0;
beforeEach(() => {
  cache = join(folder, String(++caches), 'within');
});

interface Outcome {
  error?: string;
  output: number[];
  gradient?: number[];
  /** Of the second layer. */
  weightGradient?: number[];
  grew: boolean;
  choices: SparseChoice[];
}
interface Job {
  device?: DeviceOptions;
  mlp?: Partial<MlpOptions>;
  rows?: number;
  members?: { first: number; count: number };
  backward?: boolean;
}

const pattern = { n: 2, m: 4 };
const bf16: DeviceOptions = { precision: 'bf16' };
const network: MlpOptions = { sizes: [6, 128, 128, 3], members: 2, seed: 3 };

/** What another process chooses and computes. */
async function choose(environment: string, job: Job = {}): Promise<Outcome> {
  const { device = bf16, mlp = {}, rows = 16, members, backward } = job;
  const options = { ...network, patterns: [null, pattern, null], ...mlp };
  const argument = JSON.stringify({ device, mlp: options, rows, members, backward });
  const shell = `export RNM_CACHE_DIR='${cache}' ${environment}; exec`;
  const { ended } = runTypeScript('test/device/emulated-choice.ts', [argument], root, shell);
  const { code, stdout, stderr } = await ended;
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Outcome;
}

const sparseWins = 'RNM_EMULATOR_TIMES=cublasLt=8,cusparseLt=4';
const denseWins = 'RNM_EMULATOR_TIMES=cublasLt=4,cusparseLt=8';
const files = () => readdirSync(cache).map((name) => join(cache, name));
const chosen = ({ choices }: Outcome) => choices.map((choice) => choice.chosen);

(testDevice === 'cuda-emulated' ? describe : describe.skip)('measured choice', () => {
  let masked: Outcome;
  beforeAll(async () => {
    masked = await choose('', { device: { ...bf16, sparse: 'never' } });
    expect(masked.grew).toBe(false);
    expect(masked.choices.map(({ reason }) => reason)).toEqual(['sparse: never', 'sparse: never']);
  }, 60_000);

  test('what takes less time is chosen', async () => {
    const sparse = await choose(sparseWins);
    const layer = { outputs: 128, inputs: 128, rows: 16, pattern: '2:4', precision: 'bf16' };
    expect(sparse.choices).toEqual(
      [
        { ...layer, members: 2, pass: 'forward', chosen: 'sparse', cached: false },
        { ...layer, members: 1, pass: 'forward', chosen: 'sparse', cached: false },
      ].map((each) => expect.objectContaining(each)),
    );
    const [two, one] = sparse.choices;
    expect([two!.denseUs, two!.sparseUs, one!.denseUs, one!.sparseUs]).toEqual(
      [16, 8, 8, 4].map((time) => expect.closeTo(time, 3)),
    );
    expect(two!.reason).toBe('50% of the dense time');
    expect(sparse.grew).toBe(true);
    expect(deviation(sparse.output, masked.output)).toBeLessThan(4e-2);
    expect(files()).toHaveLength(1);

    rmSync(cache, { recursive: true });
    const dense = await choose(denseWins);
    expect(chosen(dense)).toEqual(['dense', 'dense']);
    expect(dense.choices[0]!.reason).toBe('200% of the dense time');
    expect(dense.grew).toBe(false);
    expect(dense.output).toEqual(masked.output);
  }, 60_000);

  test('what is not faster is not chosen', async () => {
    const same = await choose('RNM_EMULATOR_TIMES=cublasLt=4,cusparseLt=4');
    expect(chosen(same)).toEqual(['dense', 'dense']);
    expect(same.grew).toBe(false);
  }, 60_000);

  test('all members and one are chosen for apart', async () => {
    const times = 'RNM_EMULATOR_TIMES=cublasLt=6,cublasLt.2=3,cusparseLt=4';
    const all = await choose(times);
    expect(chosen(all)).toEqual(['dense', 'sparse']);
    expect(all.grew).toBe(true);
    expect(all.output).toEqual(masked.output);
    // What was measured is known by now: only a pass multiplies.
    const refused = `${times} RNM_EMULATOR_FAIL=refuse:multiply`;
    const two = await choose(refused);
    expect(two.error).toBeUndefined();
    expect(two.output).toEqual(masked.output);
    const one = await choose(refused, { members: { first: 0, count: 1 } });
    expect(one.error).toMatch(/cuSPARSELt could not multiply with .*--sparse never/);
  }, 60_000);

  test('a later process reads what was measured, and gets the same numbers', async () => {
    const first = await choose(sparseWins);
    const second = await choose(denseWins);
    expect(second.choices).toEqual(first.choices.map((choice) => ({ ...choice, cached: true })));
    expect(second.output).toEqual(first.output);
    // Of another shape nothing is known.
    expect(chosen(await choose(denseWins, { rows: 24 }))).toEqual(['dense', 'dense']);
    expect(
      chosen(
        await choose(denseWins, {
          device: { precision: 'tf32' },
          mlp: { patterns: [null, { n: 1, m: 2 }, null] },
        }),
      ),
    ).toEqual(['dense', 'dense']);
    // Nor of another machine.
    const upgraded = `${denseWins} RNM_EMULATOR_FAIL=version:cusparseLt=0.8.0`;
    expect(chosen(await choose(upgraded))).toEqual(['dense', 'dense']);
    expect(files()).toHaveLength(4);
    expect(chosen(await choose(denseWins))).toEqual(['sparse', 'sparse']);
  }, 120_000);

  // How k is split differs, and what a library may be told of it.
  describe.each([
    ['8.9', '0 1 0 0', '3 2 2 1'],
    ['9.0', '0 -1 1 0', '3 1 6 0'],
  ])('on a GPU of compute capability %s', (capability, standard, found) => {
    const chooseHere = (environment: string, refused = '', job: Job = {}) =>
      choose(`${environment} RNM_EMULATOR_FAIL=capability:${capability}${refused}`, job);
    const always: Job = { device: { ...bf16, sparse: 'always' } };
    const defaultWins = 'RNM_EMULATOR_TIMES=cublasLt=8,cusparseLt.0=2,cusparseLt=4';
    const foundWins = 'RNM_EMULATOR_TIMES=cublasLt=8,cusparseLt.0=4,cusparseLt.3=2';
    const algorithm = () => /^algorithm (.*)$/m.exec(readFileSync(files()[0]!, 'utf8'))![1];

    test.each([
      ['default', defaultWins, standard],
      ['found', foundWins, found],
    ])(
      'the %s algorithm, if it is faster, in this process and in later ones',
      async (_, times, expected) => {
        const first = await chooseHere(times);
        expect(chosen(first)).toEqual(['sparse', 'sparse']);
        expect(first.choices[0]!.sparseUs).toBeCloseTo(4, 3);
        expect(algorithm()).toBe(expected);
        expect(deviation(first.output, masked.output)).toBeLessThan(4e-2);
        for (const job of [{}, always]) {
          const later = await chooseHere(denseWins, '', job);
          expect(later.error).toBeUndefined();
          expect(chosen(later)).toEqual(['sparse', 'sparse']);
          expect(later.choices[0]!.cached).toBe(true);
          expect(later.output).toEqual(first.output);
        }
      },
      60_000,
    );

    test.each([
      ['search', 'default', standard, 8],
      ['set', 'default', standard, 8],
      ['split', 'found', `${found[0]} - - -`, 4],
    ])(
      'a library that refuses "%s" has its %s algorithm',
      async (what, _, expected, time) => {
        for (const job of [{}, always]) {
          rmSync(cache, { recursive: true, force: true });
          const outcome = await chooseHere(foundWins, `,refuse:${what}`, job);
          expect(outcome.error).toBeUndefined();
          expect(chosen(outcome)).toEqual(['sparse', 'sparse']);
          expect(outcome.choices[0]!.sparseUs).toBeCloseTo(time, 3);
          expect(algorithm()).toBe(expected);
          expect(deviation(outcome.output, masked.output)).toBeLessThan(4e-2);
        }
      },
      60_000,
    );

    test('an algorithm that was kept and is refused is measured anew', async () => {
      await chooseHere(foundWins);
      const [file] = files();
      const good = readFileSync(file!, 'utf8');
      for (const refused of ['9 - - -', '3 - 7 -', '0 0 - -', '- - - 9']) {
        writeFileSync(file!, good.replace(/^algorithm .*$/m, `algorithm ${refused}`));
        const outcome = await chooseHere(foundWins);
        expect(outcome.choices.map(({ cached }) => cached)).toEqual([false, false]);
        expect(readFileSync(file!, 'utf8')).toBe(good);
      }
    }, 60_000);
  });

  test('a file that cannot be used is measured anew and replaced', async () => {
    await choose(sparseWins);
    const [file] = files();
    const good = readFileSync(file!, 'utf8');
    const bad = [
      '',
      good.slice(0, good.length - 5),
      good.replace(/^one .*$/m, 'one 1 nan'),
      good.replace('Emulated', 'Another'),
      good.replace('product 3\n', 'product 2\n'),
      good.replace(/^algorithm 0/m, 'algorithm 0x'),
      Buffer.alloc(100_000, 0xff),
    ];
    for (const text of bad) {
      writeFileSync(file!, text);
      const { choices } = await choose(sparseWins);
      expect(choices.map((choice) => choice.cached)).toEqual([false, false]);
      expect(readFileSync(file!, 'utf8')).toBe(good);
      expect(files()).toEqual([file]);
    }
  }, 120_000);

  test('without a place to write it is measured every time', async () => {
    mkdirSync(join(cache, '..'));
    writeFileSync(cache, 'a file, not a folder');
    for (const environment of [sparseWins, denseWins]) {
      const { choices, error } = await choose(environment);
      expect(error).toBeUndefined();
      const expected = environment === sparseWins ? 'sparse' : 'dense';
      expect(choices.map(({ chosen, cached }) => [chosen, cached])).toEqual(
        Array(2).fill([expected, false]),
      );
    }
    expect(readFileSync(cache, 'utf8')).toBe('a file, not a folder');
  }, 60_000);

  test('processes that measure at once go on with the same', async () => {
    const outcomes = await Promise.all(
      [sparseWins, denseWins, sparseWins, denseWins].map((environment) => choose(environment)),
    );
    for (const outcome of outcomes) {
      expect(chosen(outcome)).toEqual(chosen(outcomes[0]!));
      expect(outcome.output).toEqual(outcomes[0]!.output);
    }
    expect(files()).toHaveLength(1);
  }, 120_000);

  test('where cuSPARSELt fails the reason is told, and the same is computed dense', async () => {
    const failing = `${sparseWins} RNM_EMULATOR_FAIL=refuse:plan`;
    const { choices, output, error, grew } = await choose(failing);
    expect(error).toBeUndefined();
    expect(choices).toHaveLength(2);
    for (const choice of choices) {
      expect(choice).toMatchObject({ chosen: 'dense', denseUs: null, sparseUs: null });
      expect(choice.reason).toMatch(/cuSPARSELt could not plan a sparse product: .*NOT_SUPPORTED/);
    }
    expect(grew).toBe(false);
    expect(output).toEqual(masked.output);
    const insisted = await choose(failing, { device: { ...bf16, sparse: 'always' } });
    expect(insisted.error).toMatch(/could not plan a sparse product.*--sparse never/);
    const missing = await choose('RNM_EMULATOR_FAIL=library:cusparseLt');
    expect(missing.choices[0]!.reason).toMatch(/cuSPARSELt was not found/);
    expect(missing.output).toEqual(masked.output);
  }, 120_000);

  describe('data gradients', () => {
    const dataGradient = 'double-pruned';
    const job = {
      device: { ...bf16, dataGradient },
      mlp: { sizes: [6, 128, 96, 3] },
      backward: true,
    } as const;
    const never = { ...job, device: { ...job.device, sparse: 'never' } } as const;
    const exact = { ...never, device: { ...bf16, sparse: 'never' } } as const;
    const passes = ({ choices }: Outcome) => choices.map(({ pass, chosen }) => [pass, chosen]);
    const both = (pass: string, chosen: string) => Array(2).fill([pass, chosen]);
    // Under bf16 there is nothing to measure.
    const weights = both('weight gradient', 'dense');

    test('are measured and kept apart from forward passes, and reported with the layer', async () => {
      const sparse = await choose(sparseWins, job);
      expect(passes(sparse)).toEqual([
        ...both('forward', 'sparse'),
        ...both('data gradient', 'sparse'),
        ...weights,
      ]);
      for (const { outputs, inputs } of sparse.choices)
        expect([outputs, inputs]).toEqual([96, 128]);
      expect(sparse.choices[2]).toMatchObject({
        // Microseconds of a float32 in milliseconds.
        denseUs: expect.closeTo(16, 4),
        sparseUs: expect.closeTo(8, 4),
        members: 2,
      });
      const texts = files().map((file) => readFileSync(file, 'utf8'));
      expect(texts).toHaveLength(2);
      const product =
        /^bf16 data gradient, outputs 128, inputs 96, rows 16, members 2, cuSPARSELt [\d.]+$/m;
      expect(texts.filter((text) => product.test(text))).toHaveLength(1);
      const reread = await choose(denseWins, job);
      expect(reread.choices).toEqual(
        sparse.choices.map((one) => ({ ...one, cached: one.denseUs !== null })),
      );
      expect(reread.gradient).toEqual(sparse.gradient);
    }, 60_000);

    test('go through tensor cores only where that takes less time', async () => {
      // Forward it was measured to be faster, by a process without data gradients of its own.
      const forward = await choose(sparseWins, { ...job, device: bf16 });
      expect(passes(forward)).toEqual([...both('forward', 'sparse'), ...weights]);
      const dense = await choose(denseWins, job);
      expect(passes(dense)).toEqual([
        ...both('forward', 'sparse'),
        ...both('data gradient', 'dense'),
        ...weights,
      ]);
      // With the very weights of the forward pass: nothing of what is not chosen is approximate.
      expect(dense.gradient).toEqual(forward.gradient);
      rmSync(cache, { recursive: true });
      const sparse = await choose(sparseWins, job);
      expect(sparse.output).toEqual(forward.output);
      const off = deviation(sparse.gradient!, (await choose('', exact)).gradient!);
      expect(off).toBeGreaterThan(4e-2);
    }, 60_000);

    test('never, and the exact ones, are the dense ones', async () => {
      const [off, dense] = await Promise.all([choose('', never), choose('', exact)]);
      expect(passes(off)).toEqual([
        ...both('forward', 'dense'),
        ...both('data gradient', 'dense'),
        ...weights,
      ]);
      expect(off.choices.map(({ reason }) => reason)).toEqual(Array(6).fill('sparse: never'));
      expect(off.gradient).toEqual(dense.gradient);
      const transposable = {
        ...job,
        device: { ...bf16, dataGradient: 'transposable' },
        mlp: { ...job.mlp, maskShape: 'transposable' },
      } as const;
      const sparse = await choose(sparseWins, transposable);
      expect(chosen(sparse).slice(0, 4)).toEqual(Array(4).fill('sparse'));
      const same = {
        ...transposable,
        device: { ...transposable.device, sparse: 'never' },
      } as const;
      expect(deviation(sparse.gradient!, (await choose('', same)).gradient!)).toBeLessThan(4e-2);
      const rows = await choose(sparseWins, { ...transposable, mlp: job.mlp });
      expect(rows.choices.slice(2, 4).map(({ reason }) => reason)).toEqual(
        Array(2).fill('masks are not transposable'),
      );
    }, 120_000);

    test('the hidden width and the batch may be odd, with pages that may not be touched', async () => {
      const sizes = [7, 44, 36, 51, 3];
      const options = { patterns: Array(4).fill(pattern), maskShape: 'transposable' } as const;
      const device = { ...bf16, dataGradient: 'transposable' } as const;
      const padded = { device, mlp: { ...options, sizes }, rows: 13, backward: true };
      const sparse = await choose(`${sparseWins} RNM_EMULATOR_PROTECT=1`, padded);
      expect(sparse.error).toBeUndefined();
      const gradients = sparse.choices.filter(({ pass }) => pass === 'data gradient');
      expect(gradients.map(({ inputs, chosen, reason }) => [inputs, chosen, reason])).toEqual(
        [
          [7, 'dense', "the first layer: its input's gradient is float32"],
          [44, 'sparse', '50% of the dense time'],
          [36, 'sparse', '50% of the dense time'],
          [51, 'dense', 'the last layer: few outputs'],
        ].flatMap((each) => [each, each]),
      );
      const dense = await choose('', { ...padded, device: { ...device, sparse: 'never' } });
      expect(sparse.gradient!.every(Number.isFinite)).toBe(true);
      expect(deviation(sparse.gradient!, dense.gradient!)).toBeLessThan(4e-2);
    }, 240_000);
  });

  describe('weight gradients', () => {
    const job: Job = {
      device: { precision: 'fp32' },
      mlp: { sizes: [6, 64, 96, 3], patterns: [null, { n: 1, m: 8 }, null] },
      backward: true,
    };
    const gradients = ({ choices }: Outcome) =>
      choices.filter(({ pass }) => pass === 'weight gradient');
    const times = (kernel: string, product = 'cublasLt=8') =>
      `RNM_EMULATOR_TIMES=${product},${kernel}`;
    const algorithm = () => /^algorithm (.*)$/m.exec(readFileSync(files()[0]!, 'utf8'))![1];

    // Of the times of both, the gradient and the dense data gradient beside it.
    test('are computed at active weights alone where that takes less time', async () => {
      const sampled = await choose(times('kernel=4'), job);
      const layer = { outputs: 96, inputs: 64, rows: 16, pattern: '1:8', precision: 'fp32' };
      expect(gradients(sampled)).toEqual(
        [
          {
            ...layer,
            members: 2,
            chosen: 'sparse',
            cached: false,
            reason: '63% of the dense time',
          },
          {
            ...layer,
            members: 1,
            chosen: 'sparse',
            cached: false,
            reason: '75% of the dense time',
          },
        ].map((each) => expect.objectContaining(each)),
      );
      expect(readFileSync(files()[0]!, 'utf8')).toMatch(
        /^fp32 weight gradient of 1:8, outputs 96, .*, members 2, beside a data gradient, dense, of one dense$/m,
      );
      const reread = await choose(times('kernel=9'), job);
      expect(gradients(reread)).toEqual(
        gradients(sampled).map((one) => ({ ...one, cached: true })),
      );
      expect(reread.weightGradient).toEqual(sampled.weightGradient);

      rmSync(cache, { recursive: true });
      const dense = await choose(times('kernel=9', 'cublasLt=8,cublasLt.2=4'), job);
      expect(gradients(dense).map(({ chosen }) => chosen)).toEqual(['dense', 'dense']);
      // The same but for rounding; other passes are not touched.
      expect(deviation(dense.weightGradient!, sampled.weightGradient!)).toBeLessThan(1e-5);
      expect(dense.gradient).toEqual(sampled.gradient);
      const off = { ...job, device: { ...job.device, weightGradient: 'dense' } } as const;
      expect((await choose('', off)).weightGradient).toEqual(dense.weightGradient);
    }, 120_000);

    test.each(['fp32', 'tf32'] as const)(
      'without cuSPARSELt, in %s',
      async (precision) => {
        const environment = `${times('kernel=4')} RNM_EMULATOR_FAIL=library:cusparseLt`;
        const outcome = await choose(environment, { ...job, device: { precision } });
        expect(outcome.error).toBeUndefined();
        expect(gradients(outcome).map(({ chosen }) => chosen)).toEqual(['sparse', 'sparse']);
      },
      60_000,
    );

    test('are measured anew beside a data gradient that is computed otherwise', async () => {
      const environment = `${times('kernel=4')},cusparseLt=1`;
      const tf32 = (dataGradient: 'dense' | 'double-pruned') => ({
        ...job,
        device: { precision: 'tf32', dataGradient } as const,
      });
      const sparse = await choose(environment, tf32('double-pruned'));
      expect(sparse.error).toBeUndefined();
      expect(gradients(sparse).map(({ denseUs }) => Math.round(denseUs!))).toEqual([18, 9]);
      const dense = await choose(environment, tf32('dense'));
      expect(gradients(dense).map(({ cached }) => cached)).toEqual([false, false]);
      expect(gradients(dense).map(({ denseUs }) => Math.round(denseUs!))).toEqual([32, 16]);
    }, 120_000);

    test('of a first layer are told apart from those of a layer of the same shape', async () => {
      const mlp = { sizes: [64, 64, 64], patterns: Array(2).fill({ n: 1, m: 8 }), members: 1 };
      const outcome = await choose(times('kernel=4'), { ...job, mlp });
      // Alone, and beside a data gradient.
      expect(gradients(outcome).map(({ denseUs }) => Math.round(denseUs!))).toEqual([8, 16]);
    }, 60_000);

    test('of one member and of all are chosen for apart', async () => {
      const outcome = await choose(times('kernel=6', 'cublasLt=4,cublasLt.2=4'), job);
      expect(gradients(outcome).map(({ members, chosen }) => [members, chosen])).toEqual([
        [2, 'sparse'],
        [1, 'dense'],
      ]);
    }, 60_000);

    test('the tile that takes least time, in this process and in later ones', async () => {
      await choose(times('kernel=4,kernel.128=2'), job);
      // The only one with blocks of 128 threads.
      expect(algorithm()).toBe('7 - - -');
      for (const lost of ['8 - - -', '-1 - - -', '- - - -', '7x - - -']) {
        writeFileSync(
          files()[0]!,
          readFileSync(files()[0]!, 'utf8').replace(/^algorithm .*$/m, `algorithm ${lost}`),
        );
        const again = await choose(times('kernel=4,kernel.128=2'), job);
        expect(gradients(again).map(({ cached }) => cached)).toEqual([false, false]);
        expect(algorithm()).toBe('7 - - -');
      }
    }, 120_000);

    test('no access beyond what was allocated, with pages that the host may not touch', async () => {
      const odd = {
        ...job,
        device: { precision: 'fp32', weightGradient: 'sampled' },
        mlp: { sizes: [7, 45, 51, 3], patterns: Array(3).fill({ n: 1, m: 4 }) },
        rows: 13,
      } as const;
      const { error, choices } = await choose('RNM_EMULATOR_PROTECT=1', odd);
      expect(error).toBeUndefined();
      expect(choices.filter(({ chosen }) => chosen === 'sparse')).toHaveLength(4);
    }, 120_000);
  });

  test('where memory runs out it goes on dense, or says so', async () => {
    const outcomes: Outcome[] = [];
    for (const allocation of [30, 35, 40, 45, 50, 55]) {
      const environment = `${sparseWins} RNM_EMULATOR_FAIL=malloc:${allocation}`;
      outcomes.push(await choose(environment, { mlp: { role: 'target' } }));
    }
    for (const { error, output } of outcomes) {
      if (error === undefined) expect(deviation(output, masked.output)).toBeLessThan(4e-2);
      else expect(error).toMatch(/Not enough memory on the GPU/);
    }
    const told = outcomes.flatMap(({ choices }) => choices.map(({ reason }) => reason));
    expect(told).toContainEqual(expect.stringMatching(/Not enough memory on the GPU/));
  }, 120_000);

  test('the hidden width, the batch and the input may be odd', async () => {
    const sizes = [7, 44, 52, 36, 3];
    const mlp = { sizes, patterns: Array(4).fill(pattern) };
    for (const rows of [8, 13]) {
      for (const role of ['online', 'target'] as const) {
        const job = { mlp: { ...mlp, role }, rows };
        const sparse = await choose(sparseWins, job);
        expect(sparse.choices.filter((choice) => choice.chosen === 'sparse')).toHaveLength(6);
        const last = sparse.choices.filter((choice) => choice.outputs === 3);
        expect(last.map(({ reason }) => reason)).toEqual(
          Array(2).fill('the last layer: few outputs'),
        );
        const dense = await choose('', { ...job, device: { ...bf16, sparse: 'never' } });
        expect(sparse.output.every(Number.isFinite)).toBe(true);
        expect(deviation(sparse.output, dense.output)).toBeLessThan(4e-2);
      }
    }
  }, 240_000);

  test('no access beyond what was allocated, with pages that the host may not touch', async () => {
    const mlp = { sizes: [7, 44, 36, 3], patterns: Array(3).fill(pattern) };
    const { error, choices } = await choose(`${sparseWins} RNM_EMULATOR_PROTECT=1`, {
      mlp,
      rows: 13,
    });
    expect(error).toBeUndefined();
    expect(choices.filter((choice) => choice.chosen === 'sparse')).toHaveLength(4);
  }, 240_000);

  describe('in this process', () => {
    const devices: Device[] = [];
    const open = (options: DeviceOptions) => {
      process.env['RNM_CACHE_DIR'] = cache;
      const device = new Device({ device: testDevice, ...options });
      devices.push(device);
      return device;
    };
    const before = process.env['RNM_CACHE_DIR'];
    afterAll(() => {
      devices.forEach((device) => device.close());
      if (before === undefined) delete process.env['RNM_CACHE_DIR'];
      else process.env['RNM_CACHE_DIR'] = before;
    });

    test.each([
      ['bf16', { n: 4, m: 8 }, 'masked dense: no hardware path for more than 2 of 4 weights'],
      ['bf16', { n: 3, m: 4 }, 'masked dense: no hardware path for more than 2 of 4 weights'],
      ['tf32', { n: 2, m: 4 }, 'masked dense: no hardware path for more than 1 of 2 weights'],
      ['fp32', { n: 1, m: 4 }, 'masked dense: no hardware path in fp32'],
    ] as const)('%s, %j: %s', (precision, nm, reason) => {
      const device = open({ precision, sparse: 'always' });
      expect(device.sparseChoices()).toEqual([]);
      const mlp = device.mlp({ sizes: [6, 32, 32, 3], patterns: [null, nm, null] });
      mlp.forward(device.matrix(16, 6), device.matrix(16, 3));
      expect(device.sparseChoices()).toEqual([
        {
          outputs: 32,
          inputs: 32,
          rows: 16,
          members: 1,
          pattern: `${nm.n}:${nm.m}`,
          precision,
          pass: 'forward',
          chosen: 'dense',
          denseUs: null,
          sparseUs: null,
          cached: false,
          reason,
        },
      ]);
    });

    test('nothing is measured while a graph is recorded', () => {
      const device = open(bf16);
      const options = { ...network, patterns: [null, pattern, null], role: 'target' as const };
      const [first, late] = [device.mlp(options), device.mlp({ ...options, seed: 4 })];
      const [input, output, other] = [
        [16, 6],
        [16, 6],
        [16, 6],
      ].map(([r, c]) => device.matrix(r!, c!));
      input!.set(randomFloats(16 * 6, 5));
      const small = open({ ...bf16, sparse: 'never' });
      const expected = small.matrix(16, 6);
      const smallInput = small.matrix(16, 6);
      smallInput.set(randomFloats(16 * 6, 5));
      small.mlp({ ...options, seed: 4 }).forward(smallInput, expected);
      let calls = 0;
      const graph = device.capture(() => {
        first.forward(input!, output!);
        // Not in the first calls, which are made and not recorded.
        if (++calls > 1) late.forward(input!, other!);
      });
      graph.run();
      const [told] = device.sparseChoices();
      expect(told).toMatchObject({ rows: 16, cached: false });
      const held = late.bytes;
      graph.run();
      expect(late.bytes).toBe(held);
      expect(deviation(other!.get(), expected.get())).toBeLessThan(1e-6);
    });

    test('batches of training decide for how many rows layers are planned', () => {
      const device = open({ ...bf16, sparse: 'always' });
      const mlp = device.mlp({ ...network, patterns: [null, pattern, null] });
      const rowsOf = () => [...new Set(device.sparseChoices().map(({ rows }) => rows))];
      const pass = (rows: number, keep: boolean) => {
        const output = device.matrix(rows, 6);
        device.fill(output, NaN);
        mlp.forward(device.matrix(rows, 6), output, { keep });
        expect(output.get().some(Number.isNaN)).toBe(false);
      };
      pass(1, false);
      expect(rowsOf()).toEqual([]);
      pass(16, false);
      expect(rowsOf()).toEqual([16]);
      pass(24, false);
      expect(rowsOf()).toEqual([16]);
      pass(32, true);
      expect(rowsOf()).toEqual([16, 32]);
      pass(40, true);
      expect(rowsOf()).toEqual([16, 32]);
    });
  });
});
