import { expect, test } from '@jest/globals';
import { runTypeScript } from '../support/run-typescript.js';

test('memory does not grow over 100,000 updates', async () => {
  // In a process of its own, where no other test allocates.
  const { ended } = runTypeScript('test/td3/many-updates.ts', [], process.cwd());
  const { code, stdout, stderr } = await ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const resident = JSON.parse(stdout) as number[];
  expect(resident).toHaveLength(10);
  const growth = resident.slice(1).map((bytes, i) => bytes - resident[i]!);
  // A leak shows in every tenth, while V8 takes its pages in a few leaps. 32 bytes an update are too much.
  expect(growth.sort((a, b) => a - b)[4]).toBeLessThan(10_000 * 32);
}, 180_000);
