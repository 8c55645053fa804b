import { describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../lib/cli/program.js';
import { packageVersion } from '../../lib/train/package-version.js';
import { captureTerminal } from './support.js';

describe('rnm-td3 info', () => {
  test('--json says what there is', async () => {
    const terminal = captureTerminal();
    expect(await runCommandLine(['info', '--json'], terminal)).toBe(0);
    const info = JSON.parse(terminal.out()) as Record<string, unknown>;
    expect(info).toMatchObject({
      version: packageVersion,
      node: process.version,
      addon: { path: expect.stringMatching(/rnm\.node$/) },
      isas: expect.arrayContaining(['plain']),
      devices: [{ name: 'cpu', isa: (info['isas'] as string[])[0] }],
      environments: expect.arrayContaining(['HalfCheetah-v5', 'Humanoid-v5']),
    });
    expect(terminal.err()).toBe('');
  });

  test('without --json it is a list for people', async () => {
    const terminal = captureTerminal();
    expect(await runCommandLine(['info'], terminal)).toBe(0);
    for (const name of ['rnm-td3', 'Node', 'Processor', 'Addon', 'SIMD', '  cpu', 'Tasks']) {
      expect(terminal.out()).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    }
    expect(terminal.out()).toMatch(/^ {2}cuda +not part of this build$/m);
  });
});
