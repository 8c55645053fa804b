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
  return joinBytes(safetensorsPieces(tensors, metadata));
}

/**
 * The same bytes in pieces, header first, for files that are too large for one array: the other pieces are
 * views of the tensors' own data.
 *
 * @throws InvalidValueError as `encodeSafetensors`
 */
export function safetensorsPieces(
  tensors: Record<string, SafeTensor>,
  metadata: Record<string, string> = {},
): [header: Uint8Array, ...data: Uint8Array[]] {
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
  const data = ordered.map(({ tensor: { data: values } }) => {
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  });
  return [headerPiece(JSON.stringify(Object.fromEntries(header))), ...data];
}

function headerPiece(text: string): Uint8Array {
  const json = new TextEncoder().encode(text);
  const length = Math.ceil(json.length / 8) * 8;
  const piece = new Uint8Array(headerLengthBytes + length).fill(0x20);
  new DataView(piece.buffer).setBigUint64(0, BigInt(length), true);
  piece.set(json, headerLengthBytes);
  return piece;
}

/** Pieces of bytes as one array. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let position = 0;
  for (const piece of pieces) {
    whole.set(piece, position);
    position += piece.byteLength;
  }
  return whole;
}

/** Where the bytes of a file come from: an array, or a file that may be larger than one array can be. */
export interface ByteSource {
  /** How many there are. */
  readonly size: number;
  /** Copy those from `at` on that fill `target`. */
  read(at: number, target: Uint8Array): void;
}

/** Bytes that are in memory. */
export function sourceOfBytes(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.byteLength,
    read: (at, target) => target.set(bytes.subarray(at, at + target.byteLength)),
  };
}

/**
 * Read the bytes of a safetensors file. The tensors are copies: they do not hold on to `bytes`.
 *
 * @param bytes the whole file
 * @param sourceName what error messages call it, usually its path
 * @throws RunError when the bytes are not a whole and consistent safetensors file
 */
export function decodeSafetensors(bytes: Uint8Array, sourceName = 'the data'): SafeTensorFile {
  return readSafetensors(sourceOfBytes(bytes), sourceName);
}

/**
 * Read a safetensors file, tensor by tensor.
 *
 * @param onPiece gets all bytes of the file in their order, in pieces, the length and the JSON of the header
 *   as the first two
 * @throws RunError as `decodeSafetensors`
 */
export function readSafetensors(
  source: ByteSource,
  sourceName: string,
  onPiece: (bytes: Uint8Array) => void = () => {},
): SafeTensorFile {
  const fail = (problem: string): RunError => corrupt(sourceName, problem);
  const { header, dataStart } = readHeader(source, fail, onPiece);
  const metadata = readMetadata(header[metadataKey], fail);
  const entries = Object.entries(header)
    .filter(([name]) => name !== metadataKey)
    .map(([name, value]) => readEntry(name, value, fail));
  checkLayout(entries, source.size - dataStart, fail);

  const inOrder = entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end);
  const tensors = inOrder.map(({ name, dtype, shape, begin, end }): [string, SafeTensor] => {
    const content = new Uint8Array(end - begin);
    source.read(dataStart + begin, content);
    onPiece(content);
    return [name, { dtype, shape, data: new arrayTypes[dtype](content.buffer) } as SafeTensor];
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
  source: ByteSource,
  fail: Fail,
  onPiece: (bytes: Uint8Array) => void,
): { header: Record<string, unknown>; dataStart: number } {
  if (source.size < headerLengthBytes) {
    throw fail(`it ends after ${source.size} bytes, before its header`);
  }
  const lengthBytes = new Uint8Array(headerLengthBytes);
  source.read(0, lengthBytes);
  const length = new DataView(lengthBytes.buffer).getBigUint64(0, true);
  if (length > BigInt(maximumHeaderBytes)) throw fail(`its header length is ${length} bytes`);
  const dataStart = headerLengthBytes + Number(length);
  if (dataStart > source.size) {
    throw fail(`it ends after ${source.size} bytes, within its header of ${length} bytes`);
  }
  const json = new Uint8Array(Number(length));
  source.read(headerLengthBytes, json);
  onPiece(lengthBytes);
  onPiece(json);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
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
