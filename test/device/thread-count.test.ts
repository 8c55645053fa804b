/** Results do not depend on the number of threads, on any instruction set of the CPU. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { Device, availableIsas } from '../../lib/device/index.js';
import type { MlpOptions } from '../../lib/device/index.js';
import { randomFloats } from './reference.js';
import type { Pattern } from './reference.js';
import { makePair, onCpu } from './support.js';

// Wide enough that each number of threads cuts the rows elsewhere; rows of odd numbers of weights.
const sizes = [17, 256, 250, 6];
const rows = 40;
const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const patterns: [name: string, pattern: Pattern | null][] = [
  ['dense', null],
  ['2:4', { n: 2, m: 4 }],
  ['1:4', { n: 1, m: 4 }],
  ['3:7', { n: 3, m: 7 }],
];

/** A digest of an online network, its moments and its target after a few updates. */
function train(isa: string, threads: number, options: MlpOptions): string {
  const device = new Device({ device: 'cpu', isa, threads });
  const { mlp } = makePair(device, options, 12);
  const target = makePair(device, { ...options, role: 'target' }, 13).mlp;
  const input = device.matrix(rows, sizes[0]!);
  const gradient = device.matrix(rows, sizes.at(-1)!);
  for (let step = 0; step < 4; step++) {
    input.set(randomFloats(rows * sizes[0]!, 14 + step));
    gradient.set(randomFloats(rows * sizes.at(-1)!, 24 + step));
    mlp.forward(input, device.matrix(rows, sizes.at(-1)!), { keep: true });
    mlp.backward(gradient);
    mlp.adam(adam);
    if (step === 1) mlp.updateMasks();
    target.polyak(mlp, 0.3);
  }
  const digest = createHash('sha256');
  for (let layer = 0; layer < mlp.layers; layer++) {
    for (const part of ['weight', 'bias', 'weightMoment2', 'biasMoment2'] as const) {
      digest.update(mlp.read(layer, part));
    }
    digest.update(target.read(layer, 'weight')).update(target.read(layer, 'bias'));
  }
  device.close();
  return digest.digest('hex');
}

// On a GPU there is no number of threads. The plain reference takes weights one by one, and long.
const isas = availableIsas().filter((isa) => isa !== 'plain');
(onCpu ? describe : describe.skip).each(['masked', 'ste'] as const)('gradient rule %s', (rule) => {
  for (const isa of isas) {
    test.each(patterns)(`bit for bit on ${isa}, %s`, (_, pattern) => {
      const options = { sizes, patterns: Array(3).fill(pattern), gradientRule: rule };
      const one = train(isa, 1, options);
      for (const threads of [2, 3, 5]) expect(train(isa, threads, options)).toBe(one);
    });
  }
});
