import { describe, expect, test } from '@jest/globals';
import { Random } from '../../../lib/random.js';
import { encodeOnnxPolicy } from '../../../lib/train/index.js';
import type { PolicyNetwork } from '../../../lib/train/index.js';
import { forwardPolicy, randomPolicy } from '../../support/policy.js';
import { runModel } from '../../support/run-model.js';

describe('ONNX', () => {
  test.each([
    ['two hidden layers', [17, 32, 24, 6]],
    ['no hidden layer', [3, 2]],
    ['one action', [4, 8, 1]],
  ])('onnxruntime gives the same actions: %s', async (_, sizes) => {
    const policy = randomPolicy(sizes, new Random(5));
    const random = new Random(6);
    const observations = Array.from({ length: 7 }, () =>
      Array.from({ length: sizes[0] ?? 0 }, () => Math.fround(3 * random.normal())),
    );
    const actions = await runModel(encodeOnnxPolicy(policy), observations);
    expect(actions).toHaveLength(7);
    actions.forEach((action, i) => {
      const expected = forwardPolicy(policy, observations[i] ?? []);
      expect(action).toHaveLength(expected.length);
      action.forEach((value, j) =>
        expect(Math.abs(value - (expected[j] ?? NaN))).toBeLessThan(1e-5),
      );
    });
  });

  test('the batch size is free, down to a single observation', async () => {
    const policy = randomPolicy([3, 5, 2], new Random(1));
    const model = encodeOnnxPolicy({ ...policy, metadata: { env: 'Point-v0' } });
    const [action] = await runModel(model, [[1, 2, 3]]);
    const expected = forwardPolicy(policy, [1, 2, 3]);
    expect(action?.[0]).toBeCloseTo(expected[0] ?? NaN, 5);
  });

  test.each<[string, (policy: PolicyNetwork) => void, RegExp]>([
    ['no layers', (p) => p.layers.splice(0), /layers to be at least one layer/],
    [
      'layers that do not fit',
      (p) => p.layers.splice(1, 1),
      /layers\[1\]\.inSize to be the layer's input size 5 but received 4/,
    ],
    [
      'a short weight',
      (p) => Object.assign(p.layers[0] ?? {}, { weight: new Float32Array(3) }),
      /layers\[0\]\.weight to be of length 3 \* 5 but received Float32Array of length 3/,
    ],
    [
      'a long bias',
      (p) => Object.assign(p.layers[2] ?? {}, { bias: new Float32Array(9) }),
      /layers\[2\]\.bias to be of length 2/,
    ],
    [
      'an action range of another size',
      (p) => (p.actionHigh = new Float32Array(3)),
      /actionHigh to be of length 2 but received Float32Array of length 3/,
    ],
  ])('%s is refused', (_, spoil, message) => {
    const policy = randomPolicy([3, 5, 4, 2], new Random(1));
    spoil(policy);
    expect(() => encodeOnnxPolicy(policy)).toThrow(message);
  });
});
