/** Hidden units that are 0 for a whole batch. */
import { describe, expect, test } from '@jest/globals';
import type { Device, Mlp } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';
import { onCpu, openDevices } from './support.js';

const open = openDevices();
const sizes = [5, 37, 18, 3];

/** Every unit is on for every row, but for those that are named, and those whose sum follows the first input. */
function make(device: Device, dead: number[][], following: number[][] = []): Mlp {
  const mlp = device.mlp({ sizes, patterns: [{ n: 2, m: 4 }, null, null], members: 2, seed: 2 });
  for (const layer of [0, 1]) {
    const bias = new Float32Array(sizes[layer + 1]!).fill([50, 2000][layer]!);
    for (const unit of dead[layer] ?? []) bias[unit] = -1e4;
    mlp.write(layer, 'bias', bias, 1);
  }
  // -50 where the first input is -1, 150 where it is 1, and 50 in rows that pad a batch.
  const weight = mlp.read(0, 'weight', 1);
  for (const unit of following[0] ?? []) {
    weight.fill(0, unit * 5, unit * 5 + 5);
    weight[unit * 5] = 100;
  }
  mlp.write(0, 'weight', weight, 1);
  mlp.updateMasks();
  return mlp;
}

function run(device: Device, mlp: Mlp, x: Float32Array, members = { first: 0, count: 2 }): void {
  const rows = x.length / 5;
  const input = device.matrix(rows, 5);
  input.set(x);
  mlp.forward(input, device.matrix(rows, members.count * 3), { keep: true, members });
}

describe.each(onCpu ? (['fp32'] as const) : (['fp32', 'bf16'] as const))('%s', (precision) => {
  const device = open({ precision });

  test.each([1, 31, 32, 33, 70])('of a batch of %i', (rows) => {
    const x = randomFloats(rows * 5, 3);
    // The first input is negative in all rows, then positive in the last alone.
    for (let row = 0; row < rows; row++) x[row * 5] = -1;
    const mlp = make(device, [[0, 36], [4]], [[7, 20]]);
    expect([mlp.idleUnits(0), mlp.idleUnits(1)]).toEqual([0, 0]);
    run(device, mlp, x);
    expect(mlp.idleUnits(1)).toBe(5);
    x[(rows - 1) * 5] = 1;
    run(device, mlp, x);
    expect(mlp.idleUnits(1)).toBe(3);
    // A later batch of fewer rows, and one that nobody keeps.
    run(device, mlp, x.slice(0, 5));
    expect(mlp.idleUnits(1)).toBe(rows === 1 ? 3 : 5);
    const input = device.matrix(rows, 5);
    mlp.forward(input, device.matrix(rows, 6));
    expect(mlp.idleUnits(1)).toBe(rows === 1 ? 3 : 5);
  });

  test('of a member that went through', () => {
    const mlp = make(device, [[1, 2, 3], []]);
    const x = randomFloats(9 * 5, 4);
    run(device, mlp, x, { first: 1, count: 1 });
    expect([mlp.idleUnits(0), mlp.idleUnits(1)]).toEqual([0, 3]);
    run(device, mlp, x, { first: 0, count: 1 });
    const first = mlp.idleUnits();
    expect(mlp.idleUnits(1)).toBe(0);
    run(device, mlp, x);
    expect([mlp.idleUnits(0), mlp.idleUnits(1)]).toEqual([first, 3]);
    expect(() => mlp.idleUnits(2)).toThrow('Expected member to be');
    expect(() => mlp.idleUnits(-1)).toThrow('Expected member to be');
  });

  // A GPU's ReLU may make 0 of it.
  (onCpu ? test : test.skip)('NaN is not idle', () => {
    const mlp = make(device, [[0, 36], [4]]);
    const x = randomFloats(40 * 5, 3);
    x[39 * 5 + 2] = NaN;
    run(device, mlp, x);
    const mask = mlp.read(0, 'mask', 1);
    // Of the dead ones, those whose weight of that input is dormant stay idle.
    const read = [0, 36].filter((unit) => mask[unit * 5 + 2] === 1).length;
    expect(mlp.idleUnits(1)).toBe(2 - read);
  });
});
