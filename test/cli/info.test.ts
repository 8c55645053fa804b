import { describe, expect, test } from '@jest/globals';
import { packageVersion } from '../../lib/train/package-version.js';
import { runCommand } from './support.js';

interface Info {
  patterns: { pattern: string }[];
}

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
      environments: expect.arrayContaining(['HalfCheetah-v5', 'Humanoid-v5']),
    });
    const [isa] = info['isas'] as string[];
    expect((info['devices'] as unknown[])[0]).toMatchObject({ name: 'cpu', isa });
    // Whatever keeps a GPU from being used is said, with what helps.
    const cuda = info['cuda'] as { status: string; problem: string } | null;
    expect(cuda === null || cuda.status === 'usable' || cuda.problem.length > 20).toBe(true);
  });

  test('without --json it is a list for people', async () => {
    const { code, out } = await runCommand('info');
    expect(code).toBe(0);
    for (const name of ['rnm-td3', 'Node', 'Processor', 'Addon', 'SIMD', '  cpu', 'Tasks']) {
      expect(out).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    }
    expect(out).not.toMatch(/ $/m);
    expect(out).toMatch(/^Devices$/m);
    const built =
      (JSON.parse((await runCommand('info', '--json')).out) as Info).patterns.length > 0;
    // Two of four, one of two, and what has more active weights than either.
    expect(/^ {2}2:4 +sparse as 2:4 +masked dense +masked dense$/m.test(out)).toBe(built);
    expect(/^ {2}1:8 +sparse as 2:4 +sparse as 1:2 +masked dense$/m.test(out)).toBe(built);
    expect(/^ {2}4:8 +masked dense +masked dense +masked dense$/m.test(out)).toBe(built);
    expect(/no hardware path/.test(out)).toBe(built);
    expect(out).toMatch(/^ {2}cuda +(not part of this build$|not usable \(|NVIDIA)/m);
  });
});
