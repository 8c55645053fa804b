/**
 * TensorBoard event files, scalars only.
 *
 * A file is a sequence of records: length (8 bytes, little endian), checksum of the length, an
 * Event message of tensorflow's event.proto, checksum of the message. Checksums are CRC-32C,
 * rotated and shifted so that a file of checksums has a checksum that is none of them.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { crc32c } from '@node-rs/crc32';
import { AppendFile } from '../atomic-file.js';

/** Counts files, so that two made in the same second have different names. */
let filesMade = 0;

/** Writes scalars that TensorBoard shows. */
export class TensorBoardWriter {
  readonly #file: AppendFile;

  /**
   * Start an event file.
   *
   * @param folder an existing folder; TensorBoard shows one run for each folder
   * @throws RunError when the file cannot be made
   */
  constructor(folder: string) {
    const seconds = Math.floor(Date.now() / 1000);
    const unique = `${hostname()}.${process.pid}.${filesMade++}`;
    this.#file = new AppendFile(join(folder, `events.out.tfevents.${seconds}.${unique}`));
    this.#file.append(frame(encodeEvent((writer) => text(writer, 3, 'brain.Event:2'))));
  }

  /** The event file. */
  get path(): string {
    return this.#file.path;
  }

  /**
   * Add one value.
   *
   * @param tag name of the chart; the part before the first "/" groups charts
   * @param value kept as float32
   * @param step environment step
   * @throws RunError when the disk does not take it
   */
  scalar(tag: string, value: number, step: number): void {
    this.scalars({ [tag]: value }, step);
  }

  /**
   * Add several values of one step: all of them or, if the disk does not take them, none.
   *
   * @param values by tag, as in `scalar`
   * @throws RunError when the disk does not take them
   */
  scalars(values: Readonly<Record<string, number>>, step: number): void {
    const records = Object.entries(values).map(([tag, value]) =>
      frame(encodeEvent((writer) => summary(writer, tag, value, step))),
    );
    this.#file.append(Buffer.concat(records));
  }

  /** Bytes in the file. */
  get length(): number {
    return this.#file.length;
  }

  /** Whether the file is still there. */
  get exists(): boolean {
    return this.#file.exists;
  }

  /** Wait until everything is on the disk. */
  flush(): void {
    this.#file.flush();
  }

  /** Closing twice does no harm. */
  close(): void {
    this.#file.close();
  }
}

/** An event as a record of the file. */
function frame(event: Uint8Array): Buffer {
  const record = Buffer.alloc(8 + 4 + event.length + 4);
  record.writeBigUInt64LE(BigInt(event.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(event, 12);
  record.writeUInt32LE(maskedCrc(event), 12 + event.length);
  return record;
}

function summary(writer: BinaryWriter, tag: string, value: number, step: number): void {
  writer.tag(2, WireType.Varint).int64(step);
  writer.tag(5, WireType.LengthDelimited).fork(); // Event.summary
  writer.tag(1, WireType.LengthDelimited).fork(); // Summary.value
  text(writer, 1, tag);
  writer.tag(2, WireType.Bit32).float(Math.fround(value));
  writer.join().join();
}

function encodeEvent(content: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Bit64).double(Date.now() / 1000);
  content(writer);
  return writer.finish();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
