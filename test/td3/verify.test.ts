import { describe, expect, test } from '@jest/globals';
import { defaultReferenceFiles, verifyReference } from '../../lib/td3/verify.js';
import { onCpu, testDevice } from '../device/support.js';

const names = defaultReferenceFiles().map((path) => path.replace(/^.*\/|\.json$/g, ''));

describe('PyTorch states of TD3 updates', () => {
  test('the references are there', () => {
    expect(names).toHaveLength(14);
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
