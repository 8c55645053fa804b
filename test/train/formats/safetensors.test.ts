import { describe, expect, test } from '@jest/globals';
import { RunError } from '../../../lib/errors.js';
import { decodeSafetensors, encodeSafetensors } from '../../../lib/train/formats/safetensors.js';
import type { SafeTensor } from '../../../lib/train/formats/safetensors.js';

const allTypes: Record<string, SafeTensor> = {
  byte: { dtype: 'U8', shape: [3], data: Uint8Array.of(0, 127, 255) },
  flag: { dtype: 'BOOL', shape: [1, 2], data: Uint8Array.of(0, 1) },
  signed: { dtype: 'I8', shape: [2], data: Int8Array.of(-128, 127) },
  short: { dtype: 'I16', shape: [1], data: Int16Array.of(-32768) },
  word: { dtype: 'U16', shape: [1], data: Uint16Array.of(65535) },
  half: { dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) },
  brain: { dtype: 'BF16', shape: [1], data: Uint16Array.of(0x3f80) },
  integer: { dtype: 'I32', shape: [2, 1], data: Int32Array.of(-5, 2 ** 31 - 1) },
  natural: { dtype: 'U32', shape: [1], data: Uint32Array.of(2 ** 32 - 1) },
  long: { dtype: 'I64', shape: [1], data: BigInt64Array.of(-(2n ** 63n)) },
  counter: { dtype: 'U64', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
  single: { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1.5, -0, NaN, Infinity) },
  double: { dtype: 'F64', shape: [], data: Float64Array.of(Math.PI) },
  empty: { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
};

/** A file with the given header, for what the encoder would never write. */
function fileOf(header: unknown, dataBytes = 0): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const file = Buffer.alloc(8 + json.length + dataBytes);
  file.writeBigUInt64LE(BigInt(json.length));
  json.copy(file, 8);
  return file;
}

const entry = (shape: unknown, offsets: unknown, dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: offsets,
});

describe('safetensors', () => {
  test('every type comes back as it was, with metadata', () => {
    const metadata = { format: 'pt', note: 'ä "quoted" \n line' };
    const read = decodeSafetensors(encodeSafetensors(allTypes, metadata));
    expect(read.metadata).toEqual(metadata);
    expect(Object.keys(read.tensors).toSorted()).toEqual(Object.keys(allTypes).toSorted());
    for (const [name, tensor] of Object.entries(allTypes)) {
      expect(read.tensors[name]).toEqual(tensor);
    }
    expect(Object.is(read.tensors['single']?.data[1], -0)).toBe(true);
  });

  test('tensors lie at multiples of their element size behind an aligned header', () => {
    const file = encodeSafetensors(allTypes);
    const headerBytes = Number(new DataView(file.buffer).getBigUint64(0, true));
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(Buffer.from(file.subarray(8, 8 + headerBytes)).toString()) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    for (const [name, { data_offsets: offsets }] of Object.entries(header)) {
      const data = allTypes[name]?.data;
      expect(offsets[0] % (data?.BYTES_PER_ELEMENT ?? NaN)).toBe(0);
    }
  });

  test('a view at an odd offset of a larger buffer is read and written', () => {
    const file = encodeSafetensors(allTypes);
    const shifted = new Uint8Array(file.length + 11);
    shifted.set(file, 3);
    const read = decodeSafetensors(shifted.subarray(3, 3 + file.length));
    expect(read.tensors['double']).toEqual(allTypes['double']);

    const view = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    const again = decodeSafetensors(
      encodeSafetensors({ view: { dtype: 'F32', shape: [2], data: view } }),
    );
    expect(again.tensors['view']?.data).toEqual(Float32Array.of(1, 2));
  });

  test('what was read does not change with the bytes it was read from', () => {
    const file = encodeSafetensors({ a: { dtype: 'F32', shape: [1], data: Float32Array.of(7) } });
    const read = decodeSafetensors(file);
    file.fill(0);
    expect(read.tensors['a']?.data).toEqual(Float32Array.of(7));
  });

  test.each<[string, SafeTensor, RegExp]>([
    [
      'length',
      { dtype: 'F32', shape: [2, 3], data: new Float32Array(5) },
      /data of w to be of length 6, as its shape is \[2, 3\] but received Float32Array of length 5/,
    ],
    [
      'array type',
      { dtype: 'F32', shape: [2], data: new Float64Array(2) } as unknown as SafeTensor,
      /data of w to be a Float32Array/,
    ],
    [
      'shape',
      { dtype: 'F32', shape: [-1], data: new Float32Array(1) },
      /shape of w to be non-negative integers/,
    ],
    [
      'dtype',
      { dtype: 'F31', shape: [1], data: new Float32Array(1) } as unknown as SafeTensor,
      /dtype of w to be a safetensors type but received "F31"/,
    ],
  ])('a tensor with the wrong %s is refused', (_, tensor, message) => {
    expect(() => encodeSafetensors({ w: tensor })).toThrow(message);
  });

  test('every cut of a file is noticed', () => {
    const file = encodeSafetensors({
      a: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) },
      b: { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
    });
    for (let length = 0; length < file.length; length++) {
      expect(() => decodeSafetensors(file.subarray(0, length), 'cut.safetensors')).toThrow(
        /Expected cut\.safetensors to be a safetensors file but /,
      );
    }
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['not JSON', fileOf('{"a": '), /its header is not JSON/],
    ['not UTF-8', Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0xff]), /its header is not JSON/],
    ['an array', fileOf([]), /its header is not a JSON object/],
    ['too long', Buffer.alloc(16, 0xff), /its header length is 18446744073709551615 bytes/],
    ['unknown type', fileOf({ a: entry([1], [0, 4], 'F31') }, 4), /"a" has unknown type "F31"/],
    ['inherited type', fileOf({ a: entry([1], [0, 4], 'toString') }, 4), /unknown type/],
    ['negative size', fileOf({ a: entry([-1], [0, 4]) }, 4), /"a" has invalid shape \[-1\]/],
    ['no entry', fileOf({ a: 3 }), /"a" is not described by a JSON object/],
    ['three offsets', fileOf({ a: entry([1], [0, 4, 8]) }, 4), /invalid offsets \[0,4,8\]/],
    ['wrong size', fileOf({ a: entry([2], [0, 4]) }, 4), /needs 8 bytes and its offsets 0 to 4/],
    ['reversed', fileOf({ a: entry([1], [4, 0]) }, 4), /offsets 4 to 0 hold -4/],
    [
      'beyond the end',
      fileOf({ a: entry([2], [0, 8]) }, 4),
      /has 4 bytes of data and .* ends at byte 8/,
    ],
    [
      'overlap',
      fileOf({ a: entry([2], [0, 8]), b: entry([2], [4, 12]) }, 12),
      /tensor "b" overlaps the tensor before it/,
    ],
    ['gap', fileOf({ a: entry([1], [4, 8]) }, 8), /there is a gap before tensor "a"/],
    ['bytes left over', fileOf({ a: entry([1], [0, 4]) }, 8), /tensors end at byte 4 of 8 bytes/],
    ['metadata', fileOf({ __metadata__: { a: 1 } }), /its metadata "a" is not a string/],
  ])('a header that is wrong (%s) is refused', (_, file, message) => {
    expect(() => decodeSafetensors(file)).toThrow(RunError);
    expect(() => decodeSafetensors(file)).toThrow(message);
  });
});
