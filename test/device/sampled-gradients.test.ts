/** Weight gradients at the active weights alone, by every tile, and when they are chosen. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Device } from '../../lib/device/index.js';
import type { DeviceOptions, Mlp, MlpOptions, SparseChoice } from '../../lib/device/index.js';
import { backward, deviation, randomFloats } from './reference.js';
import type { Pattern } from './reference.js';
import { makePair, onCpu, testDevice } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'rnm-sampled-'));
const before = process.env['RNM_CACHE_DIR'];
const devices: Device[] = [];
let caches = 0;
let cache = '';
beforeEach(() => {
  cache = join(folder, String(++caches));
  process.env['RNM_CACHE_DIR'] = cache;
});
afterEach(() => devices.splice(0).forEach((device) => device.close()));
afterAll(() => {
  rmSync(folder, { recursive: true });
  if (before === undefined) delete process.env['RNM_CACHE_DIR'];
  else process.env['RNM_CACHE_DIR'] = before;
});

function open(options: DeviceOptions = {}): Device {
  devices.push(new Device({ device: testDevice, weightGradient: 'sampled', ...options }));
  return devices.at(-1)!;
}

const gradientsOf = (choices: SparseChoice[]) =>
  choices.filter(({ pass }) => pass === 'weight gradient');

/** Has the networks of later devices take this tile for what was measured so far. */
function force(tile: number): void {
  for (const name of readdirSync(cache)) {
    const file = join(cache, name);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/^algorithm .*$/m, `algorithm ${tile} - - -`));
  }
}

interface Case {
  sizes: number[];
  pattern: Pattern;
  rows: number;
}

/** A network's passes with fresh random numbers, and what the reference makes of them. */
class Passes {
  readonly mlp: Mlp;
  readonly x: Float32Array;
  readonly dy: Float32Array;
  private readonly members = 2;

  constructor(
    readonly device: Device,
    private readonly what: Case,
  ) {
    const { sizes, pattern, rows } = what;
    const { members } = this;
    const patterns = sizes.slice(1).map(() => pattern);
    this.mlp = makePair(device, { sizes, patterns, members }, 3).mlp;
    this.x = randomFloats(rows * sizes[0]!, 5);
    this.dy = randomFloats(rows * members * sizes.at(-1)!, 6);
  }

  run(range: { first: number; count: number } = { first: 0, count: this.members }): void {
    const { rows, sizes } = this.what;
    const [input, output] = [
      this.device.matrix(rows, sizes[0]!),
      this.device.matrix(rows, range.count * sizes.at(-1)!),
    ];
    input.set(this.x);
    this.mlp.forward(input, output, { keep: true, members: range });
    const [width, all] = [sizes.at(-1)!, this.members * sizes.at(-1)!];
    output.set(
      this.dy.filter((_, i) => {
        const member = ((i % all) / width) | 0;
        return member >= range.first && member < range.first + range.count;
      }),
    );
    this.mlp.backward(output, { members: range });
  }

  /** What the reference makes of a member's weights and masks as they are. */
  private expected(member: number): Float64Array[] {
    const { sizes } = this.what;
    const layers = sizes.slice(1).map((outputs, l) => ({
      inputs: sizes[l]!,
      outputs,
      weight: Float64Array.from(this.mlp.read(l, 'weight', member)),
      bias: Float64Array.from(this.mlp.read(l, 'bias', member)),
      mask: Uint8Array.from(this.mlp.read(l, 'mask', member)),
    }));
    const width = sizes.at(-1)!;
    const own = this.dy.filter((_, i) => ((i / width) | 0) % this.members === member);
    return backward({ layers }, this.x, own, true).weights;
  }

  /** The farthest that a gradient of these members is from the reference. */
  worst(members: readonly number[] = [0, 1]): number {
    const scale = Math.max(1, this.what.rows / 16);
    const each = members.flatMap((member) =>
      this.expected(member).map((expected, l) => {
        const received = this.mlp.read(l, 'weightGradient', member);
        return deviation(received, expected) / scale;
      }),
    );
    return Math.max(...each);
  }
}

/** Float32 sums of a few hundred terms of order one. */
const tolerance = 2e-5;

/** What a tile may be too narrow for, odd sizes, and batches around the samples that are read at once. */
const cases: Case[] = [
  { sizes: [19, 70, 131, 45], pattern: { n: 1, m: 4 }, rows: 33 },
  { sizes: [67, 37, 300], pattern: { n: 1, m: 8 }, rows: 72 },
  { sizes: [45, 290, 33], pattern: { n: 1, m: 16 }, rows: 8 },
  { sizes: [200, 33], pattern: { n: 1, m: 32 }, rows: 65 },
  { sizes: [50, 64, 64], pattern: { n: 2, m: 4 }, rows: 64 },
  { sizes: [83, 34], pattern: { n: 3, m: 7 }, rows: 9 },
  { sizes: [70, 40], pattern: { n: 31, m: 32 }, rows: 31 },
  { sizes: [2, 32], pattern: { n: 1, m: 4 }, rows: 11 },
];
const tiles = 8;

(onCpu ? describe.skip : describe)('sampled weight gradients', () => {
  const named = cases.map((what) => {
    const { sizes, pattern, rows } = what;
    return [`${pattern.n}:${pattern.m}, ${sizes.join(' x ')}, batch ${rows}`, what] as const;
  });

  test.each(named)('%s, by every tile that takes it', (_, what) => {
    new Passes(open(), what).run();
    const used = new Set<number>();
    for (let tile = 0; tile < tiles; ++tile) {
      force(tile);
      const passes = new Passes(open(), what);
      passes.run();
      expect(passes.worst()).toBeLessThan(tolerance);
      for (const choice of gradientsOf(passes.device.sparseChoices())) {
        expect(choice.chosen).toBe('sparse');
        expect(choice.reason).toBe('weight gradients: sampled');
        // A tile that does not take the pattern is measured anew, and another one kept.
        if (choice.cached) used.add(tile);
      }
      passes.device.close();
    }
    const wide = what.pattern.m / what.pattern.n >= 32;
    expect(used.size).toBeGreaterThanOrEqual(wide ? 1 : 3);
  });

  test('under tf32 the factors are not rounded', () => {
    const passes = new Passes(open({ precision: 'tf32' }), {
      sizes: [67, 300],
      pattern: { n: 1, m: 8 },
      rows: 72,
    });
    passes.run();
    expect(passes.worst()).toBeLessThan(tolerance);
    const [choice] = gradientsOf(passes.device.sparseChoices());
    expect(choice).toMatchObject({ precision: 'tf32', chosen: 'sparse' });
  });

  // Of one layer, whose factors are given: those within a network are products, which may be rounded otherwise
  // for two members than for one.
  test('members one by one are the members together, bit for bit', () => {
    const what: Case = { sizes: [70, 131], pattern: { n: 1, m: 4 }, rows: 33 };
    const all = new Passes(open(), what);
    all.run();
    const apart = new Passes(open(), what);
    for (const first of [1, 0]) apart.run({ first, count: 1 });
    for (const member of [0, 1]) {
      expect(apart.mlp.read(0, 'weightGradient', member)).toEqual(
        all.mlp.read(0, 'weightGradient', member),
      );
    }
    expect(apart.worst()).toBeLessThan(tolerance);
  });

  test('a member that was not asked for keeps its gradient', () => {
    const passes = new Passes(open(), cases[1]!);
    passes.run();
    const kept = passes.mlp.read(0, 'weightGradient', 1);
    passes.x.fill(0.25);
    passes.run({ first: 0, count: 1 });
    expect(passes.mlp.read(0, 'weightGradient', 1)).toEqual(kept);
    expect(passes.mlp.read(0, 'weightGradient', 0)).not.toEqual(kept);
  });

  test("measuring leaves other members' gradients as they were", () => {
    const passes = new Passes(open(), cases[1]!);
    const { mlp, device } = passes;
    // Of too few rows to decide anything.
    const [x, y] = [device.matrix(5, 67), device.matrix(5, 300)];
    x.set(randomFloats(5 * 67, 8));
    y.set(randomFloats(5 * 300, 9));
    mlp.forward(x, device.matrix(5, 300), { keep: true, members: { first: 1, count: 1 } });
    mlp.backward(y, { members: { first: 1, count: 1 } });
    expect(gradientsOf(device.sparseChoices())).toEqual([]);
    const kept = [0, 1].map((l) => mlp.read(l, 'weightGradient', 1));
    expect(kept.flatMap((values) => [...values]).some((value) => value !== 0)).toBe(true);
    passes.run({ first: 0, count: 1 });
    expect([0, 1].map((l) => mlp.read(l, 'weightGradient', 1))).toEqual(kept);
    expect(passes.worst([0])).toBeLessThan(tolerance);
  });

  test('NaN of one input is in the gradients of its weights, and nowhere else', () => {
    const passes = new Passes(open(), { sizes: [40, 64], pattern: { n: 1, m: 4 }, rows: 20 });
    passes.x[7 * 40 + 13] = NaN;
    passes.run();
    const mask = passes.mlp.read(0, 'mask', 0);
    const gradient = passes.mlp.read(0, 'weightGradient', 0);
    for (const [i, value] of gradient.entries()) {
      expect(Number.isNaN(value)).toBe(mask[i] === 1 && i % 40 === 13);
    }
  });

  test('masks that change: no gradient until the next pass, then those of what is active', () => {
    const what = cases[0]!;
    const passes = new Passes(open(), what);
    const { mlp } = passes;
    passes.run();
    const before = mlp.read(1, 'mask', 1);
    for (const l of [0, 1, 2]) {
      for (const member of [0, 1]) {
        const weight = randomFloats(what.sizes[l]! * what.sizes[l + 1]!, 50 + l, 0.3);
        mlp.write(l, 'weight', weight, member);
      }
    }
    mlp.updateMasks();
    expect(mlp.read(1, 'mask', 1)).not.toEqual(before);
    for (const l of [0, 1, 2]) {
      expect(mlp.read(l, 'weightGradient', 1).every((value) => value === 0)).toBe(true);
    }
    passes.run();
    expect(passes.worst()).toBeLessThan(tolerance);
  });

  test('graphs give the same numbers as single calls', () => {
    const device = open();
    const [rows, sizes] = [24, [12, 96, 64, 40]];
    const options: MlpOptions = { sizes, patterns: Array(3).fill({ n: 1, m: 8 }), seed: 4 };
    const input = device.matrix(rows, 12);
    input.set(randomFloats(rows * 12, 1));
    const [y, dy] = [device.matrix(rows, 40), device.matrix(rows, 40)];
    dy.set(randomFloats(rows * 40, 2));
    const adam = { learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };
    const learn = (mlp: Mlp) => {
      mlp.forward(input, y, { keep: true });
      mlp.backward(dy);
      mlp.adam(adam);
    };
    const [single, captured] = [device.mlp(options), device.mlp(options)];
    for (let i = 0; i < 4; ++i) learn(single);
    const graph = device.capture(() => learn(captured));
    for (let i = 0; i < 4; ++i) graph.run();
    for (const l of [0, 1, 2]) {
      expect(captured.read(l, 'weight')).toEqual(single.read(l, 'weight'));
    }
    expect(gradientsOf(device.sparseChoices()).every(({ chosen }) => chosen === 'sparse')).toBe(
      true,
    );
  });

  test.each([
    ['weight gradients: dense', { weightGradient: 'dense' }, {}],
    ['sparse: never', { weightGradient: 'auto', sparse: 'never' }, {}],
    ['more than 1 of 4 weights', { weightGradient: 'auto' }, { patterns: [null, { n: 2, m: 4 }] }],
    ['dormant weights learn too', {}, { gradientRule: 'ste' }],
    ['bf16: dense tensor cores are always faster', { precision: 'bf16' }, {}],
    ['few outputs', {}, { sizes: [8, 64, 31] }],
  ] as [string, DeviceOptions, Partial<MlpOptions>][])('dense: %s', (reason, options, mlp) => {
    const device = open(options);
    const network = device.mlp({
      sizes: [8, 64, 64],
      patterns: [null, { n: 1, m: 4 }],
      ...mlp,
    });
    const [x, y] = [device.matrix(16, 8), device.matrix(16, network.sizes.at(-1)!)];
    network.forward(x, y, { keep: true });
    network.backward(y);
    expect(gradientsOf(device.sparseChoices())).toEqual([
      expect.objectContaining({
        outputs: network.sizes.at(-1)!,
        inputs: 64,
        rows: 16,
        chosen: 'dense',
        reason,
        denseUs: null,
        sparseUs: null,
      }),
    ]);
  });

  test('batches of another size than the first are dense', () => {
    const device = open();
    const mlp = device.mlp({ sizes: [8, 64], patterns: [{ n: 1, m: 4 }] });
    for (const rows of [16, 24]) {
      const [x, y] = [device.matrix(rows, 8), device.matrix(rows, 64)];
      mlp.forward(x, y, { keep: true });
      mlp.backward(y);
    }
    expect(gradientsOf(device.sparseChoices()).map(({ rows }) => rows)).toEqual([16]);
  });
});
