/** Batch matrices: float32 [rows, columns], one row per sample, in the device's own layout. */
import { checkInteger, closedValue, invalidValue } from '../errors.js';
import type { Device } from './device.js';
import { checkMaker } from './made-by.js';
import type { Maker } from './made-by.js';
import type { NativeMatrix } from './native.js';
import { allocating } from './native-error.js';
import { float32Of } from './numbers.js';

/** Some columns of a batch matrix: how inputs are concatenated without a copy. */
export interface BatchView {
  readonly matrix: BatchMatrix;
  /** First column. */
  readonly first: number;
  /** Number of columns. */
  readonly columns: number;
}

/** A view of a closed matrix or device, or of another one, must not reach the kernels. */
export function checkView(
  device: Device,
  name: string,
  view: BatchView,
): [NativeMatrix, number, number] {
  if (!(view?.matrix instanceof BatchMatrix)) throw invalidValue(name, 'a batch matrix', view);
  if (view.matrix.device !== device) {
    throw invalidValue(name, 'on the same device', view.matrix, 'Make it with device.matrix()');
  }
  if (view.matrix.closed) throw closedValue(name, 'a matrix');
  checkColumns(name, view);
  return [view.matrix.native, view.first, view.columns];
}

function checkColumns(name: string, { matrix, first, columns }: BatchView): void {
  const whole = Number.isInteger(first) && Number.isInteger(columns);
  if (whole && first >= 0 && columns >= 1 && first + columns <= matrix.columns) return;
  const received = whole ? `columns ${first} to ${first + columns - 1}` : 'no columns';
  throw invalidValue(name, `within its matrix of ${matrix.columns} columns`, received);
}

export class BatchMatrix implements BatchView {
  readonly first = 0;
  #closed = false;

  /** Use `device.matrix(rows, columns)`. */
  constructor(
    made: Maker,
    readonly device: Device,
    /** @internal */
    readonly native: NativeMatrix,
    readonly rows: number,
    readonly columns: number,
  ) {
    checkMaker('BatchMatrix', 'device.matrix(rows, columns)', made);
  }

  /** True after `close()`. */
  get closed(): boolean {
    return this.#closed;
  }

  get matrix(): this {
    return this;
  }

  /** Columns [first, first + columns). */
  view(first: number, columns: number): BatchView {
    checkInteger('first', first, 0);
    checkInteger('columns', columns);
    if (first + columns > this.columns) {
      throw invalidValue('first + columns', `at most ${this.columns}`, first + columns);
    }
    return { matrix: this, first, columns };
  }

  /** Copy a row-major array [rows, columns of the view] to the device. */
  set(values: ArrayLike<number>, view: BatchView = this): void {
    this.#checkOwn(view);
    const expected = `an array of ${this.rows} x ${view.columns} numbers`;
    const source = allocating(() =>
      float32Of('values', values, this.rows * view.columns, expected),
    );
    this.native.upload(source, view.first, view.columns);
  }

  /** Copy to a row-major array [rows, columns of the view]. */
  get(view: BatchView = this): Float32Array {
    this.#checkOwn(view);
    return allocating(() => {
      const target = new Float32Array(this.rows * view.columns);
      this.native.download(target, view.first, view.columns);
      return target;
    });
  }

  #checkOwn(view: BatchView): void {
    this.device.checkOpen();
    if (view?.matrix !== this) throw invalidValue('view', 'a view of this matrix', view);
    checkColumns('view', view);
  }

  /** Free its memory now. Further use throws. */
  close(): void {
    this.native.release();
    this.#closed = true;
  }
}
