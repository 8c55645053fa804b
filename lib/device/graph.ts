/** Graphs: calls that a device records once and then repeats without the host. */
import { checkFunction } from '../errors.js';
import type { Device } from './device.js';
import { checkMaker } from './made-by.js';
import type { Maker } from './made-by.js';
import type { NativeGraph } from './native.js';

/**
 * A sequence of calls on a device. A GPU records it and repeats it as one launch; a device without
 * graphs makes the calls one by one. The results are the same bit for bit.
 */
export class Graph {
  readonly #device: Device;
  readonly #native: NativeGraph;
  readonly #calls: () => void;
  #warm = false;

  /** Use `device.capture(calls)`. */
  constructor(made: Maker, device: Device, make: () => NativeGraph, calls: () => void) {
    checkMaker('Graph', 'device.capture(calls)', made);
    checkFunction('calls', calls);
    this.#device = device;
    this.#native = make();
    this.#calls = calls;
  }

  /** Do the calls once. On a GPU this returns before they are done; reading results waits. */
  run(): void {
    this.#device.checkOpen();
    if (!this.#native.supported()) return this.#calls();
    if (!this.#native.current()) {
      // The first calls allocate what they need, which cannot be recorded.
      if (!this.#warm) {
        this.#calls();
        this.#warm = true;
        return;
      }
      this.#warm = false;
      this.#record();
    }
    this.#orCancel(() => {
      this.#native.beginRefresh();
      this.#calls();
    });
    this.#native.launch();
  }

  /**
   * What a launch consists of: its kernels, copies and fills. 0 until it is recorded, which the second
   * `run()` does, and on a device without graphs.
   */
  get nodes(): number {
    this.#device.checkOpen();
    return this.#native.supported() ? this.#native.nodes() : 0;
  }

  /** Free the recording now. Further use throws. */
  close(): void {
    this.#native.release();
  }

  #record(): void {
    this.#orCancel(() => {
      this.#native.beginCapture();
      this.#calls();
    });
    this.#native.endCapture();
  }

  #orCancel(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#native.cancel();
      throw error;
    }
  }
}
