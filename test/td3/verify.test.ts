import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { defaultReferenceFiles, verifyReference } from '../../lib/td3/verify.js';
import { decodeSafetensors, encodeSafetensors } from '../../lib/train/formats/safetensors.js';
import { onCpu, testDevice } from '../device/support.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const names = defaultReferenceFiles().map((path) => path.replace(/^.*\/|\.json$/g, ''));

describe('PyTorch states of TD3 updates', () => {
  test('the references are there', () => {
    expect(names).toHaveLength(21);
  });

  for (const path of defaultReferenceFiles()) {
    const name = path.replace(/^.*\/|\.json$/g, '');
    for (const threads of onCpu ? [1, 2] : [1]) {
      test(`${name}, ${threads} threads`, async () => {
        const result = await verifyReference(path, { device: testDevice, threads });
        expect(result.maskMismatches).toBe(0);
        expect(result.compared).toBeGreaterThan(100_000);
        for (const { ofTolerance } of Object.values(result.worst)) {
          expect(ofTolerance).toBeLessThanOrEqual(1);
        }
        expect(result.passed).toBe(true);
      });
    }
  }
});

describe('what is a thousandth off', () => {
  const temporaryFolder = temporaryFolders();
  const original = defaultReferenceFiles().find((path) => path.endsWith('nm1of4_masked.json'))!;

  test.each([
    ['u6.actor.0.weight', 'weights'],
    ['u6.critic2_target.1.bias', 'weights'],
    ['u6.actor.1.weight.m', 'moment1'],
    ['u6.actor.0.weight.v', 'moment2'],
    ['u6.critic1.2.bias.v', 'moment2'],
    ['trace.y', 'scalars'],
    ['scalar.critic_loss', 'scalars'],
  ] as const)('%s is a miss', async (name, kind) => {
    const path = join(temporaryFolder(), 'off.json');
    copyFileSync(original, path);
    const { tensors } = decodeSafetensors(
      readFileSync(original.replace('.json', '.safetensors')),
      '',
    );
    const { data } = tensors[name]!;
    tensors[name]!.data = (data as Float32Array).map((value) => 1.001 * value);
    writeFileSync(path.replace('.json', '.safetensors'), encodeSafetensors(tensors));
    const { passed, worst } = await verifyReference(path, { device: testDevice });
    expect(passed).toBe(false);
    expect(worst[kind].ofTolerance).toBeGreaterThan(1);
  });
});
