import {
  appendFileSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Device } from '../../lib/device/index.js';
import type { Replay } from '../../lib/device/index.js';
import { RunError } from '../../lib/errors.js';
import { ReplayKeeper } from '../../lib/train/replay-keeper.js';
import { ReplaySegments } from '../../lib/train/replay-segments.js';
import { temporaryFolders } from '../support/temporary-folder.js';

const newFolder = temporaryFolders();
const device = new Device({ device: 'cpu', threads: 1 });
/** Rows of 2 * 600 + 1 + 2 numbers: 3,488 of them fill a file. */
const sizes = { observationSize: 600, actionSize: 1 };

const newReplay = (capacity: number) => device.replay({ capacity, ...sizes });

/** Rows that say which they are. */
function add(replay: Replay, count: number): void {
  const observation = new Float32Array(600);
  for (let i = 0; i < count; i++) {
    observation[0] = replay.added;
    const row = { observation, action: [0.5], reward: replay.added, nextObservation: observation };
    replay.add({ ...row, discount: 0.99 });
  }
}

const all = (replay: Replay) => replay.read(0, replay.size);

describe('rows of a replay buffer on disk', () => {
  test.each([[1], [10], [99], [100], [101], [163], [200], [457]])(
    'are those of the buffer after %d rows, at the same places',
    (count) => {
      const folder = join(newFolder(), 'replay');
      const replay = newReplay(100);
      const segments = new ReplaySegments(folder);
      for (let added = 0; added < count; added += 40) {
        add(replay, Math.min(40, count - added));
        segments.save(replay);
      }
      const restored = newReplay(100);
      new ReplaySegments(folder).restore(restored, count);
      expect(all(restored)).toEqual(all(replay));
      expect(restored).toMatchObject({ added: count, size: replay.size, next: replay.next });
      add(replay, 30);
      add(restored, 30);
      expect(all(restored)).toEqual(all(replay));
    },
  );

  test('only what is new is written, and files go once none of their rows is needed', () => {
    const folder = join(newFolder(), 'replay');
    const replay = newReplay(4000);
    const segments = new ReplaySegments(folder);
    const keeper = new ReplayKeeper(replay, segments, 2);
    const bytesOfRow = 4 * replay.rowLength;
    const files: number[] = [];
    for (let i = 0; i < 30; i++) {
      add(replay, 1000);
      const written = segments.save(replay);
      expect(written).toBeGreaterThanOrEqual(1000 * bytesOfRow);
      expect(written).toBeLessThan(1001 * bytesOfRow);
      keeper.checkpointWritten();
      files.push(readdirSync(folder).length);
    }
    // Of 4,000 rows, and of the 1,000 that the checkpoint before needs: at most two files and two halves.
    expect(Math.max(...files)).toBeLessThanOrEqual(4);
    for (const added of [29_000, 30_000]) {
      const restored = newReplay(4000);
      new ReplaySegments(folder).restore(restored, added);
      expect(restored.read(0, 1)[0]).toBe(added - 4000);
      expect(restored.read(3999, 1)[0]).toBe(added - 1);
    }
  });

  test('what came after a checkpoint is cut off, and others take its place', () => {
    const folder = join(newFolder(), 'replay');
    const replay = newReplay(50);
    const segments = new ReplaySegments(folder);
    for (const count of [20, 20, 20]) {
      add(replay, count);
      segments.save(replay);
    }
    segments.close();
    // A record that was being written when the process ended.
    const path = join(folder, readdirSync(folder)[0]!);
    appendFileSync(path, readFileSync(path).subarray(0, 1000));
    const again = new ReplaySegments(folder);
    const restored = newReplay(50);
    again.restore(restored, 40);
    again.cutAfter(40);
    add(restored, 5);
    again.save(restored);
    const third = newReplay(50);
    new ReplaySegments(folder).restore(third, 45);
    expect(all(third)).toEqual(all(restored));
    expect(() => new ReplaySegments(folder).restore(newReplay(50), 46)).toThrow(/none from row 45/);
  });

  test('a buffer smaller than what comes between two checkpoints leaves a gap that nobody needs', () => {
    const folder = join(newFolder(), 'replay');
    const replay = newReplay(10);
    const segments = new ReplaySegments(folder);
    for (const count of [5, 50, 7]) {
      add(replay, count);
      segments.save(replay);
    }
    const restored = newReplay(10);
    new ReplaySegments(folder).restore(restored, 62);
    expect(all(restored)).toEqual(all(replay));
  });

  test('any damage to a row or a header is noticed', () => {
    const folder = join(newFolder(), 'replay');
    const replay = newReplay(10);
    add(replay, 10);
    new ReplaySegments(folder).save(replay);
    const path = join(folder, readdirSync(folder)[0]!);
    const whole = readFileSync(path);
    const refused = () => {
      const restored = newReplay(10);
      add(restored, 1);
      expect(() => new ReplaySegments(folder).restore(restored, 10)).toThrow(RunError);
      // Untouched where the files did not even say that they had the rows.
      expect([0, 1]).toContain(restored.size);
      restored.close();
    };
    for (let at = 0; at < whole.length; at += at < 64 ? 1 : 997) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x10;
      writeFileSync(path, damaged);
      refused();
    }
    writeFileSync(path, whole);
    truncateSync(path, whole.length - 1);
    refused();
    rmSync(path);
    refused();
  });

  test('rows of another length are refused', () => {
    const folder = join(newFolder(), 'replay');
    const replay = newReplay(10);
    add(replay, 3);
    new ReplaySegments(folder).save(replay);
    const other = device.replay({ capacity: 10, observationSize: 3, actionSize: 1 });
    expect(() => new ReplaySegments(folder).restore(other, 3)).toThrow(/of another run/);
  });
});
