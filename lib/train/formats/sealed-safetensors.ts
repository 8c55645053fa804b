/**
 * Safetensors files with a checksum of all of their bytes, so that any change is noticed: `checksum`, eight
 * hexadecimal digits of CRC-32C, is the first key of the metadata, and counts as eight zeros in the sum.
 */
import { crc32c } from '@node-rs/crc32';
import { RunError } from '../../errors.js';
import { readSafetensors, safetensorsPieces } from './safetensors.js';
import type { ByteSource, SafeTensor, SafeTensorFile } from './safetensors.js';

/** How the JSON of a sealed file's header begins; the digits follow. */
const beforeDigits = '{"__metadata__":{"checksum":"';
const noDigits = '00000000';

/**
 * The bytes of a sealed file in pieces; all but the first are views of the tensors' own data.
 *
 * @throws InvalidValueError as `encodeSafetensors`
 */
export function sealedPieces(
  tensors: Record<string, SafeTensor>,
  metadata: Record<string, string>,
): Uint8Array[] {
  const pieces = safetensorsPieces(tensors, { checksum: noDigits, ...metadata });
  const [header] = pieces;
  digitsOf(header.subarray(8)).set(new TextEncoder().encode(checksumOf(pieces)));
  return pieces;
}

/**
 * Read a sealed file; its metadata come without the checksum.
 *
 * @param sourceName what error messages call it, usually its path
 * @param checkKind throws where the metadata are of another kind of file, which says more than a checksum
 * @throws RunError when it is no whole safetensors file, or is not as it was written
 */
export function readSealed(
  source: ByteSource,
  sourceName: string,
  checkKind: (metadata: Readonly<Record<string, string>>) => void = () => {},
): SafeTensorFile {
  let sum: number | undefined;
  let isSealed: boolean | undefined;
  const { tensors, metadata } = readSafetensors(source, sourceName, (piece) => {
    // The piece before the header's JSON is its length.
    const isJson = sum !== undefined && isSealed === undefined;
    if (isJson) isSealed = beginsWithDigits(piece);
    sum = crc32c(isJson && isSealed === true ? withoutDigits(piece) : piece, sum);
  });
  checkKind(metadata);
  const { checksum, ...rest } = metadata;
  const found = hexadecimal(sum ?? 0);
  if (isSealed === true && checksum === found) return { tensors, metadata: rest };
  throw new RunError(
    `Expected ${sourceName} to have the checksum ${found} of its content but received ` +
      `${checksum ?? 'none'}. The file was changed or damaged: use another copy of it`,
  );
}

function beginsWithDigits(json: Uint8Array): boolean {
  return new TextDecoder().decode(json.subarray(0, beforeDigits.length)) === beforeDigits;
}

function withoutDigits(json: Uint8Array): Uint8Array {
  const copy = json.slice();
  digitsOf(copy).set(new TextEncoder().encode(noDigits));
  return copy;
}

function digitsOf(json: Uint8Array): Uint8Array {
  return json.subarray(beforeDigits.length, beforeDigits.length + noDigits.length);
}

function checksumOf(pieces: readonly Uint8Array[]): string {
  let sum = 0;
  for (const piece of pieces) sum = crc32c(piece, sum);
  return hexadecimal(sum);
}

function hexadecimal(value: number): string {
  return value.toString(16).padStart(noDigits.length, '0');
}
