/**
 * The rows of a replay buffer on disk, in files that only grow: a checkpoint adds what is new since the last one.
 *
 * Rows are numbered from 0 on, as they were added. A file `rows-<number of its first row>.bin` is a sequence of
 * records, and a record is a header of 32 bytes, little endian, and rows of float32:
 *
 * | bytes | what                                             |
 * | ----- | ------------------------------------------------ |
 * | 0-3   | "RNMR"                                           |
 * | 4-7   | version of the format, 1                         |
 * | 8-11  | numbers in a row                                 |
 * | 12-15 | rows in the record                               |
 * | 16-23 | number of its first row                          |
 * | 24-27 | CRC-32C of the rows                              |
 * | 28-31 | CRC-32C of the header up to here                 |
 *
 * A record ends where a checkpoint was written, so that a run that goes on from one can cut off what came after.
 * Files go as a whole, once all of their rows have been overwritten in the ring.
 */
import { existsSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { RunError } from '../errors.js';
import { AppendFile, syncFolder } from './atomic-file.js';
import { makeFolder, writeError } from './disk.js';
import { withFile } from './file-source.js';
import type { ByteSource } from './formats/safetensors.js';
import type { ReplayRows } from './trainable.js';

const magic = 0x524d4e52; // "RNMR"
const version = 1;
const headerBytes = 32;
/** A record is no larger, so that little memory is needed beside the buffer's own. */
const recordBytes = 4 * 2 ** 20;
/** A file that has reached this takes no further record. */
const fileBytes = 16 * 2 ** 20;

/** Where rows lie. */
interface Segment {
  path: string;
  /** Where its header begins. */
  at: number;
  /** Number of its first row. */
  first: number;
  count: number;
  rowLength: number;
  sum: number;
}

/** Writes the rows of one run's replay buffer, and reads them back. */
export class ReplaySegments {
  readonly #folder: string;
  #segments: Segment[] = [];
  #file: AppendFile | undefined;

  /** @param folder holds nothing else, and is made when there is something to write */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Write what the buffer holds and the disk does not have yet.
   *
   * @returns how many bytes that took
   * @throws RunError when the disk does not take it; the next call tries again
   */
  save(replay: ReplayRows): number {
    this.#forgetLost();
    const oldest = replay.added - replay.size;
    const known = this.#segments.at(-1);
    const saved = known === undefined ? oldest : known.first + known.count;
    const atOnce = Math.max(1, Math.floor(recordBytes / (4 * replay.rowLength)));
    let written = 0;
    for (let first = Math.max(saved, oldest); first < replay.added; first += atOnce) {
      const count = Math.min(atOnce, replay.added - first);
      written += this.#append(replay.read(first - oldest, count), first, replay.rowLength);
    }
    if (written > 0) this.#file?.flush();
    return written;
  }

  /** Remove files that hold no row of number `first` or above. */
  forgetBefore(first: number): void {
    const needed = new Set(this.#segments.filter((each) => endOf(each) > first).map(pathOf));
    for (const path of new Set(this.#segments.map(pathOf))) {
      if (needed.has(path) || path === this.#file?.path) continue;
      rmSync(path, { force: true });
      this.#segments = this.#segments.filter((each) => each.path !== path);
    }
  }

  /** Number of the oldest row that is on the disk. */
  get oldest(): number {
    return this.#segments[0]?.first ?? 0;
  }

  /**
   * Have the buffer hold what it held when `added` rows had been added. What was written later stays on the disk.
   *
   * @throws RunError when rows are missing, or damaged: the buffer is empty then
   */
  restore(replay: ReplayRows, added: number): void {
    this.#segments = this.#scan(replay.rowLength);
    const first = Math.max(0, added - replay.capacity);
    this.#checkComplete(first, added);
    const segments = this.#segments;
    replay.refill(added, function* pieces(from, count) {
      for (const segment of segments) {
        if (endOf(segment) <= from || segment.first >= from + count) continue;
        const rows = readRows(segment);
        const begin = Math.max(from - segment.first, 0) * segment.rowLength;
        yield rows.subarray(begin, (from + count - segment.first) * segment.rowLength);
      }
    });
  }

  /** Cut off what was written after `added` rows had been added: others take its place. */
  cutAfter(added: number): void {
    const later = this.#segments.filter(({ first }) => first >= added);
    try {
      for (const { path, at } of later.toReversed()) {
        if (at === 0) rmSync(path, { force: true });
        else truncateSync(path, at);
      }
    } catch (error) {
      throw writeError(this.#folder, error);
    }
    this.#segments = this.#segments.filter(({ first }) => first < added);
    // A record that was being written when the process ended is behind the last whole one.
    const last = this.#segments.at(-1);
    if (last !== undefined) truncateSync(last.path, last.at + bytesOf(last));
  }

  /** Forget all rows: others with their numbers may come. */
  clear(): void {
    this.close();
    this.#file = undefined;
    this.#segments = [];
    rmSync(this.#folder, { recursive: true, force: true });
  }

  close(): void {
    this.#file?.close();
  }

  #append(rows: Float32Array, first: number, rowLength: number): number {
    const file = this.#open(first);
    const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
    const count = rows.length / rowLength;
    const segment = { path: file.path, at: file.length, first, count, rowLength };
    const sum = crc32c(bytes);
    file.append(Buffer.concat([encodeHeader({ ...segment, sum }), bytes]));
    this.#segments.push({ ...segment, sum });
    return headerBytes + bytes.byteLength;
  }

  /** Where a file was removed, all of the buffer is written anew. */
  #forgetLost(): void {
    const paths = new Set(this.#segments.map(pathOf));
    if ([...paths].every((path) => existsSync(path))) return;
    this.clear();
  }

  /** The file that takes the row of this number; a gap in the numbers needs no new one. */
  #open(first: number): AppendFile {
    if (this.#file !== undefined && this.#file.exists && this.#file.length < fileBytes) {
      return this.#file;
    }
    this.#file?.flush();
    this.#file?.close();
    makeFolder(this.#folder);
    const path = join(this.#folder, `rows-${String(first).padStart(12, '0')}.bin`);
    // What a run that died has left there has been cut off; what else lies there is nobody's.
    rmSync(path, { force: true });
    this.#file = new AppendFile(path);
    syncFolder(this.#folder);
    return this.#file;
  }

  #scan(rowLength: number): Segment[] {
    if (!existsSync(this.#folder)) return [];
    const names = readdirSync(this.#folder).filter((name) => /^rows-\d{12,}\.bin$/.test(name));
    const segments = names.flatMap((name) => scanFile(join(this.#folder, name)));
    for (const segment of segments) {
      if (segment.rowLength === rowLength) continue;
      throw new RunError(
        `Expected rows of ${rowLength} numbers in ${segment.path} but received ` +
          `${segment.rowLength}: they are of another run`,
      );
    }
    return segments.toSorted((a, b) => a.first - b.first);
  }

  #checkComplete(first: number, added: number): void {
    let next = first;
    for (const segment of this.#segments) {
      if (segment.first <= next && endOf(segment) > next) next = endOf(segment);
    }
    if (next >= added) return;
    throw new RunError(
      `Expected rows ${first} to ${added - 1} of the replay buffer in ${this.#folder} but received ` +
        `none from row ${next} on: a file is missing or was cut off`,
    );
  }
}

const pathOf = ({ path }: Segment): string => path;
const endOf = ({ first, count }: Segment): number => first + count;
const bytesOf = ({ count, rowLength }: Segment): number => headerBytes + 4 * count * rowLength;

function encodeHeader({ rowLength, count, first, sum }: Omit<Segment, 'path' | 'at'>): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(magic, 0);
  header.writeUInt32LE(version, 4);
  header.writeUInt32LE(rowLength, 8);
  header.writeUInt32LE(count, 12);
  header.writeBigUInt64LE(BigInt(first), 16);
  header.writeUInt32LE(sum, 24);
  header.writeUInt32LE(crc32c(header.subarray(0, 28)), 28);
  return header;
}

/** The whole records of a file; what follows the last one was being written when a process ended. */
function scanFile(path: string): Segment[] {
  return withFile(path, (source) => {
    const segments: Segment[] = [];
    for (let at = 0; at + headerBytes <= source.size;) {
      const segment = decodeHeader(source, path, at);
      if (segment === undefined || at + bytesOf(segment) > source.size) break;
      segments.push(segment);
      at += bytesOf(segment);
    }
    return segments;
  });
}

function decodeHeader(source: ByteSource, path: string, at: number): Segment | undefined {
  const header = Buffer.alloc(headerBytes);
  source.read(at, header);
  const isWhole =
    header.readUInt32LE(0) === magic &&
    header.readUInt32LE(4) === version &&
    header.readUInt32LE(28) === crc32c(header.subarray(0, 28));
  if (!isWhole) return undefined;
  return {
    path,
    at,
    rowLength: header.readUInt32LE(8),
    count: header.readUInt32LE(12),
    first: Number(header.readBigUInt64LE(16)),
    sum: header.readUInt32LE(24),
  };
}

function readRows(segment: Segment): Float32Array {
  const rows = new Float32Array(segment.count * segment.rowLength);
  const bytes = new Uint8Array(rows.buffer);
  withFile(segment.path, (source) => source.read(segment.at + headerBytes, bytes));
  if (crc32c(bytes) === segment.sum) return rows;
  throw new RunError(
    `Expected rows ${segment.first} to ${endOf(segment) - 1} of the replay buffer in ` +
      `${segment.path} to have the checksum that they were written with but they have not: the file is damaged`,
  );
}
