/** The check of a tensor that an agent's state has. */
import { invalidValue } from '../errors.js';
import type { AgentState } from '../train/trainable.js';
import { checkFinite } from './batch-buffers.js';

export type FoundTensor = AgentState['tensors'][string] | undefined;

/** What to say of a state that does not fit. */
export const otherAgent = 'The state belongs to an agent with other sizes or another pattern';
export const damaged = 'The state is damaged: use another one';

/** Check type, shape, length and values of a tensor, and return the values. */
export function checkTensor(
  name: string,
  dtype: 'F32' | 'F64' | 'U8',
  shape: readonly number[],
  found: FoundTensor,
): Float32Array | Float64Array | Uint8Array {
  const data = checkLayout(name, dtype, shape, found);
  checkFinite(`tensor ${name}`, data);
  return data;
}

/** Check type, shape and length of a tensor, and return the values. */
export function checkLayout(
  name: string,
  dtype: 'F32' | 'F64' | 'U8',
  shape: readonly number[],
  found: FoundTensor,
): Float32Array | Float64Array | Uint8Array {
  if (!Array.isArray(found?.shape) || found.shape.join() !== shape.join()) {
    const received = Array.isArray(found?.shape) ? `[${found.shape.join(', ')}]` : found?.shape;
    throw invalidValue(`tensor ${name}`, `of shape [${shape.join(', ')}]`, received, otherAgent);
  }
  if (found.dtype !== dtype) {
    throw invalidValue(`dtype of tensor ${name}`, `"${dtype}"`, found.dtype, damaged);
  }
  const length = shape.reduce((product, size) => product * size, 1);
  const { data } = found;
  if (!ArrayBuffer.isView(data) || data.length !== length) {
    throw invalidValue(`data of tensor ${name}`, `an array of length ${length}`, data, damaged);
  }
  return data as Float32Array | Float64Array | Uint8Array;
}
