/**
 * The safetensors file format: named tensors behind a JSON header, readable from PyTorch, JAX and
 * NumPy with the `safetensors` package, and safe to load because it holds nothing but numbers.
 *
 * Layout: 8 bytes of header length (little endian), the header padded by spaces to a multiple of 8,
 * then the tensors' bytes, little endian, row-major, without gaps.
 */
import { RunError, invalidValue } from '../../errors.js';

/** Typed array that holds each element type. F16 and BF16 come as their raw 16 bits. */
interface ArrayOf {
  F64: Float64Array;
  F32: Float32Array;
  F16: Uint16Array;
  BF16: Uint16Array;
  I64: BigInt64Array;
  U64: BigUint64Array;
  I32: Int32Array;
  U32: Uint32Array;
  I16: Int16Array;
  U16: Uint16Array;
  I8: Int8Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
}

/** Element types that can be read and written. */
export type SafeTensorType = keyof ArrayOf;

/** One tensor: row-major `data` whose length is the product of `shape` ([] is a single number). */
export type SafeTensor = {
  [T in SafeTensorType]: { dtype: T; shape: readonly number[]; data: ArrayOf[T] };
}[SafeTensorType];

/** What a file holds. */
export interface SafeTensorFile {
  tensors: Record<string, SafeTensor>;
  metadata: Record<string, string>;
}

const arrayTypes = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const satisfies Record<SafeTensorType, unknown>;

const headerLengthBytes = 8;
/** The limit that the reference implementation puts on headers. */
const maximumHeaderBytes = 100_000_000;
const metadataKey = '__metadata__';

/** What the header says about one tensor. */
interface Entry {
  name: string;
  dtype: SafeTensorType;
  shape: number[];
  begin: number;
  end: number;
}

/**
 * Write tensors as the bytes of a safetensors file.
 *
 * @param tensors by name; a tensor's data must have as many elements as its shape says
 * @param metadata strings stored beside them
 * @throws InvalidValueError for a tensor whose type, shape and data do not agree
 */
export function encodeSafetensors(
  tensors: Record<string, SafeTensor>,
  metadata: Record<string, string> = {},
): Uint8Array {
  // Wide elements first, so that every tensor starts at a multiple of its element size.
  const ordered = Object.entries(tensors)
    .map(([name, tensor]) => ({ name, tensor: checkTensor(name, tensor) }))
    .sort((a, b) => elementBytes(b.tensor.dtype) - elementBytes(a.tensor.dtype));

  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push([metadataKey, checkMetadata(metadata)]);
  let offset = 0;
  for (const { name, tensor } of ordered) {
    const end = offset + tensor.data.byteLength;
    header.push([name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] }]);
    offset = end;
  }

  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(headerLengthBytes + headerBytes + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, headerLengthBytes);
  let position = headerLengthBytes + headerBytes;
  file.fill(0x20, headerLengthBytes + json.length, position);
  for (const { tensor } of ordered) {
    const { buffer, byteOffset, byteLength } = tensor.data;
    file.set(new Uint8Array(buffer, byteOffset, byteLength), position);
    position += byteLength;
  }
  return file;
}

/**
 * Read the bytes of a safetensors file. The tensors are copies: they do not hold on to `bytes`.
 *
 * @param bytes the whole file
 * @param sourceName what error messages call it, usually its path
 * @throws RunError when the bytes are not a whole and consistent safetensors file
 */
export function decodeSafetensors(bytes: Uint8Array, sourceName = 'the data'): SafeTensorFile {
  const fail = (problem: string): RunError => corrupt(sourceName, problem);
  const { header, dataStart } = readHeader(bytes, fail);
  const dataBytes = bytes.byteLength - dataStart;

  const metadata = readMetadata(header[metadataKey], fail);
  const entries = Object.entries(header)
    .filter(([name]) => name !== metadataKey)
    .map(([name, value]) => readEntry(name, value, fail));
  checkLayout(entries, dataBytes, fail);

  const tensors = entries.map((entry): [string, SafeTensor] => {
    const content = new Uint8Array(bytes.subarray(dataStart + entry.begin, dataStart + entry.end));
    const data = new arrayTypes[entry.dtype](content.buffer);
    return [entry.name, { dtype: entry.dtype, shape: entry.shape, data } as SafeTensor];
  });
  return { tensors: Object.fromEntries(tensors), metadata };
}

type Fail = (problem: string) => RunError;

function corrupt(sourceName: string, problem: string): RunError {
  return new RunError(
    `Expected ${sourceName} to be a safetensors file but ${problem}. ` +
      'The file is damaged or of another kind: use another copy of it, or make it again',
  );
}

function readHeader(
  bytes: Uint8Array,
  fail: Fail,
): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.byteLength < headerLengthBytes) {
    throw fail(`it ends after ${bytes.byteLength} bytes, before its header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(maximumHeaderBytes)) throw fail(`its header length is ${length} bytes`);
  const dataStart = headerLengthBytes + Number(length);
  if (dataStart > bytes.byteLength) {
    throw fail(`it ends after ${bytes.byteLength} bytes, within its header of ${length} bytes`);
  }
  let header: unknown;
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    header = JSON.parse(decoder.decode(bytes.subarray(headerLengthBytes, dataStart)));
  } catch (error) {
    throw fail(`its header is not JSON (${(error as Error).message})`);
  }
  if (!isPlainObject(header)) throw fail('its header is not a JSON object');
  return { header, dataStart };
}

function readMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (value === undefined) return {};
  if (!isPlainObject(value)) throw fail('its metadata is not a JSON object');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw fail(`its metadata ${JSON.stringify(key)} is not a string`);
  }
  return value as Record<string, string>;
}

function readEntry(name: string, value: unknown, fail: Fail): Entry {
  const label = `tensor ${JSON.stringify(name)}`;
  if (!isPlainObject(value)) throw fail(`${label} is not described by a JSON object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isType(dtype)) throw fail(`${label} has unknown type ${JSON.stringify(dtype)}`);
  if (!isSizes(shape)) throw fail(`${label} has invalid shape ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw fail(`${label} has invalid offsets ${JSON.stringify(offsets)}`);
  }
  const [begin = 0, end = 0] = offsets;
  const needed = elementCount(shape) * elementBytes(dtype);
  if (end - begin !== needed) {
    throw fail(
      `${label} of type ${dtype} and shape [${shape.join(', ')}] needs ${needed} bytes ` +
        `and its offsets ${begin} to ${end} hold ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

/** Tensors follow one another without gap or overlap, and fill the rest of the file. */
function checkLayout(entries: readonly Entry[], dataBytes: number, fail: Fail): void {
  let position = 0;
  for (const entry of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    const label = `tensor ${JSON.stringify(entry.name)}`;
    if (entry.end > dataBytes) {
      throw fail(`it has ${dataBytes} bytes of data and ${label} ends at byte ${entry.end}`);
    }
    if (entry.begin < position) throw fail(`${label} overlaps the tensor before it`);
    if (entry.begin > position) throw fail(`there is a gap before ${label}`);
    position = entry.end;
  }
  if (position !== dataBytes) {
    throw fail(`its tensors end at byte ${position} of ${dataBytes} bytes of data`);
  }
}

function checkTensor(name: string, tensor: SafeTensor): SafeTensor {
  if (name === metadataKey) throw invalidValue('tensor name', `other than ${metadataKey}`, name);
  const { dtype, shape, data } = tensor;
  if (!isType(dtype)) throw invalidValue(`dtype of ${name}`, 'a safetensors type', dtype);
  if (!isSizes(shape)) throw invalidValue(`shape of ${name}`, 'non-negative integers', shape);
  // By name and not by instanceof: an array of another realm (a worker's, a test's) is as good.
  const arrayName = arrayTypes[dtype].name;
  if (!ArrayBuffer.isView(data) || data.constructor.name !== arrayName) {
    throw invalidValue(`data of ${name}`, `a ${arrayName}, as its dtype is ${dtype},`, data);
  }
  const count = elementCount(shape);
  if (data.length !== count) {
    const dimensions = `[${shape.join(', ')}]`;
    throw invalidValue(
      `data of ${name}`,
      `of length ${count}, as its shape is ${dimensions}`,
      data,
    );
  }
  return tensor;
}

function checkMetadata(metadata: Record<string, string>): Record<string, string> {
  for (const [key, text] of Object.entries(metadata)) {
    if (typeof text !== 'string') {
      throw invalidValue(`metadata ${key}`, 'a string', text);
    }
  }
  return metadata;
}

function elementBytes(dtype: SafeTensorType): number {
  return arrayTypes[dtype].BYTES_PER_ELEMENT;
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isType(value: unknown): value is SafeTensorType {
  return typeof value === 'string' && Object.hasOwn(arrayTypes, value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
