/** The reference itself, against finite differences in float64. */
import { describe, expect, test } from '@jest/globals';
import { backward, forward, projectMask, randomFloats } from './reference.js';
import type { ReferenceNetwork } from './reference.js';

function network(range: boolean): ReferenceNetwork {
  const sizes = [7, 9, 10, 3];
  const layers = [0, 1, 2].map((l) => {
    const [inputs, outputs] = [sizes[l]!, sizes[l + 1]!];
    const weight = Float64Array.from(randomFloats(inputs * outputs, 10 + l, 0.8));
    const mask = projectMask(weight, inputs, { n: 2, m: 4 });
    return {
      inputs,
      outputs,
      weight,
      bias: Float64Array.from(randomFloats(outputs, 20 + l)),
      mask,
    };
  });
  return range ? { layers, range: { low: [-1, -2, 0], high: [1, 0.5, 3] } } : { layers };
}

/** A loss whose gradient with respect to the output is `c`. */
function loss(net: ReferenceNetwork, x: Float64Array, c: ArrayLike<number>): number {
  let sum = 0;
  for (let b = 0; b * 7 < x.length; b++) {
    const y = forward(net, x.subarray(b * 7, b * 7 + 7)).at(-1)!;
    y.forEach((value, o) => (sum += value * c[b * 3 + o]!));
  }
  return sum;
}

describe.each([false, true])('gradients of the reference, squashed: %s', (range) => {
  const net = network(range);
  const x = Float64Array.from(randomFloats(5 * 7, 31));
  const c = randomFloats(5 * 3, 32);
  const gradients = backward(net, x, c, true);
  const numeric = (values: Float64Array, i: number) => {
    const [kept, h] = [values[i]!, 1e-6];
    values[i] = kept + h;
    const above = loss(net, x, c);
    values[i] = kept - h;
    const below = loss(net, x, c);
    values[i] = kept;
    return (above - below) / (2 * h);
  };

  test('weights, biases and inputs', () => {
    net.layers.forEach((layer, l) => {
      layer.weight.forEach((_, i) =>
        expect(gradients.weights[l]![i]).toBeCloseTo(numeric(layer.weight, i), 6),
      );
      layer.bias.forEach((_, i) =>
        expect(gradients.biases[l]![i]).toBeCloseTo(numeric(layer.bias, i), 6),
      );
    });
    x.forEach((_, i) => expect(gradients.input[i]).toBeCloseTo(numeric(x, i), 6));
  });

  test('the straight-through gradient is that of the masked weights, dormant ones included', () => {
    const dense = backward(net, x, c, false);
    net.layers.forEach((layer, l) => {
      const dormant = [...layer.mask.keys()].filter((i) => layer.mask[i] === 0);
      for (const i of dormant) {
        const kept = layer.weight[i]!;
        [layer.weight[i], layer.mask[i]] = [0, 1];
        expect(dense.weights[l]![i]).toBeCloseTo(numeric(layer.weight, i), 6);
        [layer.weight[i], layer.mask[i]] = [kept, 0];
      }
    });
  });

  test('dormant weights get no gradient under masked, and one under straight-through', () => {
    const dense = backward(net, x, c, false);
    const dormant = (g: Float64Array[]) =>
      net.layers.flatMap((layer, l) => [...g[l]!].filter((_, i) => layer.mask[i] === 0));
    expect(dormant(gradients.weights).every((g) => g === 0)).toBe(true);
    expect(dormant(dense.weights).some((g) => g !== 0)).toBe(true);
  });
});
