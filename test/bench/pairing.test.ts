import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { cpuSecondsOfOthers } from '../../lib/bench/other-processes.js';
import { ratioOfTimes, takeTurns } from '../../lib/bench/pairing.js';
import type { Timing } from '../../lib/bench/pairing.js';

/** A timing as if measured; all slots quiet but those in `disturbed`. */
function timing(name: string, seconds: number[], disturbed: number[] = []): Timing {
  const slots = seconds.map((s, i) => ({ seconds: s, others: disturbed.includes(i) ? 1.5 : 0 }));
  return { name, units: 1, slots, quiet: true, median: 0, p10: 0, p90: 0, count: seconds.length };
}

describe('takeTurns', () => {
  test('candidates take turns in going first, each with as many units in every slot', async () => {
    const calls: [string, number][] = [];
    const candidate = (name: string, seconds: number) => ({
      name,
      multiple: 3,
      run: (units: number) => {
        calls.push([name, units]);
        return units * seconds;
      },
    });
    const options = { rounds: 2, slotSeconds: 0.03, budgetSeconds: 0.3 };
    const [a, b] = await takeTurns([candidate('a', 1e-3), candidate('b', 2e-3)], options);
    expect([a!.median, b!.median]).toEqual([expect.closeTo(1e-3), expect.closeTo(2e-3)]);
    expect([a!.units, b!.units]).toEqual([30, 15]);
    expect(a!.slots.length).toBe(b!.slots.length);
    const turns = calls.slice(-2 * a!.slots.length);
    const order = a!.slots.flatMap((_, round) => (round % 2 === 0 ? ['a', 'b'] : ['b', 'a']));
    expect(turns.map(([name]) => name)).toEqual(order);
    expect(new Set(turns.map(([name, units]) => `${name}${units}`))).toEqual(
      new Set(['a30', 'b15']),
    );
  });

  test('a spent budget still gives everyone a round', async () => {
    const run = () => 1;
    const timings = await takeTurns([{ name: 'a', run }], { budgetSeconds: 1e-9 });
    expect(timings[0]!.slots).toHaveLength(1);
    expect(timings[0]!.quiet).toBe(false);
  });

  test('can be interrupted', async () => {
    const signal = AbortSignal.abort();
    const turns = takeTurns([{ name: 'a', run: () => 1 }], { signal, budgetSeconds: 1 });
    await expect(turns).rejects.toThrow('abort');
  });
});

describe('ratioOfTimes', () => {
  test('leaves out rounds in which either was disturbed', () => {
    const a = timing('a', [2, 2, 2, 90, 2], [3]);
    const b = timing('b', [1, 1, 1, 1, 50], [4]);
    expect(ratioOfTimes(a, b).ratio).toBe(2);
  });

  test('uses all rounds where too few are quiet', () => {
    const a = timing('a', [2, 4, 6], [0, 1, 2]);
    const b = timing('b', [1, 1, 1]);
    expect(ratioOfTimes(a, b).ratio).toBe(4);
  });
});

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux(
  'the work of another process shows, unless it belongs to the measurement',
  async () => {
    // Burns 0.4 s of CPU time, says so, and stays.
    const code = `
    const used = () => Object.values(process.cpuUsage()).reduce((a, b) => a + b);
    while (used() < 4e5);
    console.log('done');
    process.stdin.resume();`;
    const child = spawn(process.execPath, ['-e', code]);
    try {
      await once(child.stdout, 'data');
      const without = cpuSecondsOfOthers([child.pid!])!;
      const all = cpuSecondsOfOthers()!;
      expect(all - without).toBeGreaterThanOrEqual(0.35);
      expect(all - without).toBeLessThan(3);
    } finally {
      child.kill();
    }
  },
  60_000,
);
