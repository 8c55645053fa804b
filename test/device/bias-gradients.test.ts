/** Gradients of biases are sums over the batch, however many layers and rows there are. */
import { expect, test } from '@jest/globals';
import { deviation, randomFloats } from './reference.js';
import { openDevices } from './support.js';

const open = openDevices();

// A GPU adds up 256 rows at a time, and then the layers' sums, those of eight layers at once. How many
// columns a block of its threads takes depends on how many there are.
test.each([
  ['2 layers', [3, 40, 2]],
  ['8 layers', [3, ...Array<number>(7).fill(9), 2]],
  ['11 layers', [3, 5, 300, 7, ...Array<number>(7).fill(8), 2]],
  ['wide outputs', [3, 5, 1350]],
  ['fewer outputs', [3, 350]],
  ['wide layers', [3, 1350, 3, 350, 2]],
])('of %s: a batch of 600 has those of its parts', (_, sizes) => {
  const device = open();
  const members = 2;
  const mlp = device.mlp({ sizes, members, seed: 6 });
  // Large enough for gradients to pass through all layers.
  for (let i = 0; i < members * mlp.layers; i++) {
    const [layer, member] = [i % mlp.layers, Math.floor(i / mlp.layers)];
    const [from, to] = [sizes[layer]!, sizes[layer + 1]!];
    mlp.write(layer, 'weight', randomFloats(from * to, 10 + i, Math.sqrt(6 / from)), member);
  }
  const [inputs, outputs] = [sizes[0]!, members * sizes.at(-1)!];
  const values = randomFloats(600 * inputs, 1, 3);
  const gradients = randomFloats(600 * outputs, 2, 3);
  const gradientsOf = (begin: number, end: number): Float32Array[] => {
    const [x, y] = [device.matrix(end - begin, inputs), device.matrix(end - begin, outputs)];
    x.set(values.slice(begin * inputs, end * inputs));
    mlp.forward(x, y, { keep: true });
    y.set(gradients.slice(begin * outputs, end * outputs));
    mlp.backward(y);
    return Array.from({ length: members * mlp.layers }, (_, i) =>
      mlp.read(i % mlp.layers, 'biasGradient', Math.floor(i / mlp.layers)),
    );
  };
  const whole = gradientsOf(0, 600);
  const parts = [
    [0, 200],
    [200, 456],
    [456, 600],
  ].map(([begin, end]) => gradientsOf(begin!, end!));
  for (const [i, gradient] of whole.entries()) {
    const sum = gradient.map((_, j) => parts.reduce((total, part) => total + part[i]![j]!, 0));
    expect(deviation(gradient, sum)).toBeLessThan(2e-5);
    expect(gradient.some((value) => Math.abs(value) > 1e-3)).toBe(true);
  }
});
