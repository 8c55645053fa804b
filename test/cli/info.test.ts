import { describe, expect, test } from '@jest/globals';
import { packageVersion } from '../../lib/train/package-version.js';
import { runCommand } from './support.js';

describe('rnm-td3 info', () => {
  test('--json says what there is', async () => {
    const { code, out, err } = await runCommand('info', '--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const info = JSON.parse(out) as Record<string, unknown>;
    expect(info).toMatchObject({
      version: packageVersion,
      node: process.version,
      addon: { path: expect.stringMatching(/rnm\.node$/) },
      isas: expect.arrayContaining(['plain']),
      devices: [{ name: 'cpu', isa: (info['isas'] as string[])[0] }],
      environments: expect.arrayContaining(['HalfCheetah-v5', 'Humanoid-v5']),
    });
  });

  test('without --json it is a list for people', async () => {
    const { code, out } = await runCommand('info');
    expect(code).toBe(0);
    for (const name of ['rnm-td3', 'Node', 'Processor', 'Addon', 'SIMD', '  cpu', 'Tasks']) {
      expect(out).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    }
    expect(out).toMatch(/^ {2}cuda +not part of this build$/m);
  });
});
