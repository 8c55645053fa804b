import { describe, expect, test } from '@jest/globals';
import { Device, loadAddon } from '../../lib/device/index.js';
import { RunError } from '../../lib/errors.js';
import type { Replay } from '../../lib/device/index.js';
import { onCpu, openNative, testDevice } from './support.js';

const device = new Device({ device: testDevice, threads: 2 });
const [observations, actions] = [3, 2];

/** Transition k: every number in it tells k and its place. */
function transition(k: number) {
  return {
    observation: [k, k + 0.25, k + 0.5],
    action: [-k, k / 2],
    reward: 10 * k,
    nextObservation: [k + 1, k + 1.25, k + 1.5],
    discount: k % 3 === 0 ? 0 : 1 / k,
  };
}

function filled(count: number, capacity: number): Replay {
  const replay = device.replay({ capacity, observationSize: observations, actionSize: actions });
  for (let k = 0; k < count; k++) replay.add(transition(k));
  return replay;
}

function sample(replay: Replay, rows: number, seed: number, draw: number) {
  const both = device.matrix(rows, observations + actions);
  const next = device.matrix(rows, observations + actions);
  const [reward, discount] = [device.matrix(rows, 1), device.matrix(rows, 1)];
  replay.sample(seed, draw, {
    observation: both.view(0, observations),
    action: both.view(observations, actions),
    reward,
    nextObservation: next.view(0, observations),
    discount,
  });
  return {
    both: both.get(),
    next: next.get(next.view(0, observations)),
    reward: reward.get(),
    discount: discount.get(),
  };
}

describe('replay buffer', () => {
  test('samples are whole transitions, side by side in the views', () => {
    const { both, next, reward, discount } = sample(filled(50, 100), 70, 1, 2);
    reward.forEach((r, b) => {
      const expected = transition(r / 10);
      const row = [...expected.observation, ...expected.action];
      expect([...both.subarray(5 * b, 5 * b + 5)]).toEqual(row.map(Math.fround));
      expect([...next.subarray(3 * b, 3 * b + 3)]).toEqual(expected.nextObservation);
      expect(discount[b]).toBe(Math.fround(expected.discount));
    });
  });

  test('sampling depends on seed and draw alone, and is uniform', () => {
    const replay = filled(40, 100);
    expect(sample(replay, 64, 5, 9)).toEqual(sample(replay, 64, 5, 9));
    expect(sample(replay, 64, 5, 9).reward).not.toEqual(sample(replay, 64, 5, 10).reward);
    expect(sample(replay, 64, 5, 9).reward).not.toEqual(sample(replay, 64, 6, 9).reward);
    const counts = Array.from({ length: 40 }, () => 0);
    for (let draw = 0; draw < 100; draw++) {
      sample(replay, 400, 3, draw).reward.forEach((r) => counts[r / 10]!++);
    }
    // 1000 expected each, deviation 31: six deviations are never seen by chance.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(190);
  });

  test('the oldest are overwritten, and read returns rows by age', () => {
    const replay = filled(25, 10);
    expect(replay.size).toBe(10);
    const rows = replay.read(0, 10);
    const rewards = Array.from({ length: 10 }, (_, i) => rows[i * replay.rowLength + 5]);
    expect(rewards).toEqual([15, 16, 17, 18, 19, 20, 21, 22, 23, 24].map((k) => 10 * k));
    const copy = filled(0, 10);
    copy.append(rows);
    expect(copy.read(0, 10)).toEqual(rows);
    expect(new Set(sample(replay, 256, 1, 1).reward).size).toBe(10);
  });

  test('a closed buffer is refused, and closing twice is not', () => {
    const replay = filled(3, 5);
    replay.close();
    replay.close();
    expect(replay.size).toBe(0);
    expect(() => replay.add(transition(1))).toThrow(/closed/);
    expect(() => sample(replay, 4, 1, 1)).toThrow(/closed/);
  });

  test.each([
    ['observation', [1, 2, 3, 4], 'an array of length 3 but received Array of length 4'],
    ['observation', [1, NaN, 3], 'observation[1] to be a finite number but received NaN'],
    ['observation', ['1', 2, 3], 'observation[0] to be a finite number but received "1"'],
    ['action', [5], 'Expected action to be an array of length 2'],
    ['action', undefined, 'Expected action to be an array of length 2 but received undefined'],
    [
      'action',
      [1, 1e39],
      'action[1] to be a number that float32 can hold (up to 3.4e38) but received 1e+39',
    ],
    ['nextObservation', [], 'Expected nextObservation to be an array of length 3'],
    ['nextObservation', [0, 0, -Infinity], 'nextObservation[2]'],
    ['reward', Infinity, 'Expected reward to be a finite number'],
    ['discount', undefined, 'Expected discount to be a number from 0 to 1 but received undefined'],
    ['discount', true, 'Expected discount to be a number from 0 to 1 but received true of'],
    ['discount', NaN, 'Expected discount to be a number from 0 to 1 but received NaN'],
    ['discount', -0.1, 'Expected discount to be a number from 0 to 1 but received -0.1'],
    ['discount', 1.01, 'Expected discount to be a number from 0 to 1 but received 1.01'],
  ])('%s %p is refused, and nothing is appended', (part, value, message) => {
    const replay = filled(2, 5);
    const before = replay.read(0, 2);
    expect(() => replay.add({ ...transition(2), [part]: value } as never)).toThrow(message);
    expect(replay.read(0, replay.size)).toEqual(before);
  });

  test('rows that are not whole or not finite are refused, and none is appended', () => {
    const replay = filled(0, 5);
    const { rowLength } = replay;
    const rows = filled(3, 5).read(0, 3);
    expect(() => replay.append(rows.subarray(1))).toThrow(/rows of 10 numbers.*length 29/);
    expect(() => replay.append([...rows] as never)).toThrow(/a Float32Array/);
    rows[2 * rowLength + 1] = NaN;
    expect(() => replay.append(rows)).toThrow(/rows\[21\] to be a finite number/);
    expect(replay.size).toBe(0);
  });

  (onCpu ? test : test.skip)('the native side refuses sizes that overflow as well', () => {
    const { addon } = loadAddon();
    const native = openNative(addon);
    for (const [capacity, observations, actions, message] of [
      [4294901821, 536879095, 1, /at most 67108864 numbers/],
      [1, 2 ** 31 - 1, 2 ** 31 - 1, /at most 67108864 numbers/],
      [2 ** 32 - 1, 2 ** 24, 2 ** 24, /Not enough memory/],
      [2 ** 32, 1, 1, /from 1 to 4294967295/],
    ] as const) {
      expect(() => new addon.Replay(native, capacity, observations, actions)).toThrow(message);
    }
  });

  test('what does not fit is refused', () => {
    const sizes = { observationSize: 3, actionSize: 2 };
    expect(() => device.replay({ capacity: 0, ...sizes })).toThrow(
      'Expected capacity (bufferSize) to be an integer from 1 to 4294967295 but received 0 of type number',
    );
    expect(() => device.replay({ capacity: 2 ** 32, ...sizes })).toThrow(/1 to 4294967295/);
    const huge = { capacity: 4e9, observationSize: 60_000, actionSize: 10 };
    expect(() => device.replay(huge)).toThrow(RunError);
    expect(() => device.replay(huge)).toThrow(/use a smaller batchSize, hiddenSizes or bufferSize/);
    // In bytes this is 2^64 and a little: taken for the little, it would be granted.
    const wrapping = { capacity: 4294901821, observationSize: 536879095, actionSize: 1 };
    expect(() => device.replay(wrapping)).toThrow(
      'Expected observationSize to be an integer from 1 to 16777216 but received 536879095',
    );
    expect(() => sample(filled(0, 5), 4, 1, 1)).toThrow(/empty/);
    expect(() => filled(3, 5).read(2, 2)).toThrow(/count to be an integer from 0 to 1 but/);
    expect(() => filled(3, 5).read(0, 2 ** 40)).toThrow(/count/);
  });
});
