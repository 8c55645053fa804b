import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from '@jest/globals';
import { TensorBoardWriter } from '../../../lib/train/index.js';
import { temporaryFolders } from '../../support/temporary-folder.js';

const newFolder = temporaryFolders();

/** CRC-32C one bit at a time, and TensorFlow's masking of it. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  const value = (crc ^ 0xffffffff) >>> 0;
  return Number((BigInt((value >>> 15) | (value << 17)) + 0xa282ead8n) & 0xffffffffn);
}

/** The messages of an event file, each with both checksums checked. */
function readRecords(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 8)).toBe(maskedCrc(file.subarray(at, at + 8)));
    expect(file.readUInt32LE(at + 12 + length)).toBe(maskedCrc(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

/** The fields of a message that has no two of the same number. */
function readFields(bytes: Uint8Array): Map<number, unknown> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, unknown>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const read = [
      () => Number(reader.int64()),
      () => reader.double(),
      () => reader.bytes(),
      undefined,
      undefined,
      () => reader.float(),
    ];
    fields.set(field, read[type]?.());
  }
  return fields;
}

describe('TensorBoard events', () => {
  test('the file begins with its version and holds every scalar', () => {
    const writer = new TensorBoardWriter(newFolder());
    writer.scalar('eval/returnMean', 1234.5, 5000);
    writer.scalar('agent/criticLoss', -1e-3, 6_000_000_000);
    writer.flush();
    writer.close();
    writer.close();

    const events = readRecords(readFileSync(writer.path)).map(readFields);
    expect(events).toHaveLength(3);
    expect(Buffer.from(events[0]?.get(3) as Uint8Array).toString()).toBe('brain.Event:2');
    const scalars = events.slice(1).map((event) => {
      expect(Math.abs((event.get(1) as number) - Date.now() / 1000)).toBeLessThan(60);
      const value = readFields(readFields(event.get(5) as Uint8Array).get(1) as Uint8Array);
      return [Buffer.from(value.get(1) as Uint8Array).toString(), value.get(2), event.get(2)];
    });
    expect(scalars).toEqual([
      ['eval/returnMean', 1234.5, 5000],
      ['agent/criticLoss', Math.fround(-1e-3), 6_000_000_000],
    ]);
  });

  test('a value beyond float32 becomes infinite instead of an error', () => {
    const writer = new TensorBoardWriter(newFolder());
    expect(() => writer.scalar('x', 1e300, 1)).not.toThrow();
    writer.close();
  });

  test('files are named as TensorBoard expects, and never alike', () => {
    const folder = newFolder();
    const writers = [new TensorBoardWriter(folder), new TensorBoardWriter(folder)];
    const names = writers.map((writer) => basename(writer.path));
    for (const name of names) expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
    expect(names[0]).not.toBe(names[1]);
    for (const writer of writers) writer.close();
  });

  test('a folder that is not there is named', () => {
    expect(() => new TensorBoardWriter('/nowhere/tb')).toThrow(
      /Expected to write \/nowhere\/tb\/events.* but received ENOENT/,
    );
  });
});
