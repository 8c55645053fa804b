import { describe, expect, test } from '@jest/globals';
import { RunError } from '../../lib/errors.js';
import { Random } from '../../lib/random.js';
import {
  decodeCheckpoint,
  decodeSafetensors,
  encodeCheckpoint,
  encodePolicy,
  encodeSafetensors,
} from '../../lib/train/index.js';
import { joinBytes } from '../../lib/train/formats/safetensors.js';
import { sealedPieces } from '../../lib/train/formats/sealed-safetensors.js';
import { LinearAgent } from '../support/linear-agent.js';
import { randomPolicy } from '../support/policy.js';
import { PointEnvironment } from '../support/point-environment.js';

/** Let an agent act and learn for some steps; its actions. */
function drive(agent: LinearAgent, steps: number): number[] {
  const env = new PointEnvironment();
  let observation = env.reset({ seed: 1 });
  for (let i = 0; i < steps; i++) {
    const action = agent.act(observation, { explore: true });
    const step = env.step(action);
    const nextObservation = step.observation;
    agent.observe({ ...step, observation, action, nextObservation, source: 0 });
    if (agent.ready) agent.learn();
    observation = step.terminated || step.truncated ? env.reset() : step.observation;
  }
  return agent.actions.slice(-steps);
}

describe('checkpoint', () => {
  test('an agent goes on from it exactly as it would have', () => {
    const agent = new LinearAgent({ seed: 4 });
    drive(agent, 50);
    const { version, config, steps, updates, state } = decodeCheckpoint(encodeCheckpoint(agent));
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
    expect(config).toEqual(agent.config);
    expect({ steps, updates }).toEqual({ steps: 50, updates: 41 });
    expect(state).toEqual(agent.state());

    const restored = new LinearAgent();
    restored.loadState(state);
    expect(drive(restored, 30)).toEqual(drive(agent, 30));
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['another file', {}, /cp to have format "rnm-td3-checkpoint\/2" but received undefined/],
    ['another version', { format: 'rnm-td3-checkpoint/9' }, /received "rnm-td3-checkpoint\/9"/],
    ['a bad config', { config: '{' }, /config in cp to be a JSON object but received "{"/],
    ['a bad count', { steps: '-1' }, /steps in cp to be a count but received "-1"/],
    ['no count', { updates: '' }, /updates in cp to be a count but received ""/],
  ])('%s is refused', (what, change, message) => {
    const { tensors, metadata } = decodeSafetensors(encodeCheckpoint(new LinearAgent()));
    const { checksum: _, ...own } = metadata;
    const bytes =
      what === 'another file'
        ? encodeSafetensors(tensors)
        : joinBytes(sealedPieces(tensors, { ...own, ...change }));
    expect(() => decodeCheckpoint(bytes, 'cp')).toThrow(RunError);
    expect(() => decodeCheckpoint(bytes, 'cp')).toThrow(message);
  });
});

describe('the checksum of a checkpoint', () => {
  const whole = encodeCheckpoint(new LinearAgent({ seed: 4 }));

  test('a change of any byte is noticed', () => {
    for (let at = 0; at < whole.length; at++) {
      const damaged = whole.slice();
      damaged[at]! ^= 1 << (at % 8);
      expect(() => decodeCheckpoint(damaged, 'cp')).toThrow(RunError);
    }
  });

  test('so is a file that was written by other means', () => {
    const { tensors, metadata } = decodeSafetensors(whole);
    const config = metadata['config']!.replace('"seed":4', '"seed":5');
    for (const bytes of [
      encodeSafetensors(tensors, { ...metadata, config }),
      encodeSafetensors(tensors, { config, ...metadata, checksum: '00000000' }),
    ]) {
      expect(() => decodeCheckpoint(bytes, 'cp')).toThrow(/cp to have the checksum \w{8} of its/);
    }
  });
});

describe('policy file', () => {
  test("holds the layers under PyTorch's names, and what is needed to use them", () => {
    const policy = randomPolicy([3, 5, 2], new Random(1));
    const origin = { env: 'Point-v0', sparsity: '1:4', steps: 100, evaluationReturn: 2.5 };
    const { tensors, metadata } = decodeSafetensors(encodePolicy(policy, origin));
    expect(Object.keys(tensors).toSorted()).toEqual([
      'actor.0.bias',
      'actor.0.weight',
      'actor.1.bias',
      'actor.1.weight',
    ]);
    expect(tensors['actor.0.weight']).toEqual({
      dtype: 'F32',
      shape: [5, 3],
      data: policy.layers[0]?.weight,
    });
    expect(tensors['actor.1.bias']).toEqual({
      dtype: 'F32',
      shape: [2],
      data: policy.layers[1]?.bias,
    });
    expect(metadata).toMatchObject({
      format: 'pt',
      env: 'Point-v0',
      sparsity: '1:4',
      steps: '100',
      evaluation_return: '2.5',
      observation_size: '3',
      action_size: '2',
    });
    const limits = [metadata['action_low'] ?? '', metadata['action_high'] ?? ''];
    expect(limits.map((text) => Float32Array.from(JSON.parse(text) as number[]))).toEqual([
      policy.actionLow,
      policy.actionHigh,
    ]);
  });
});
