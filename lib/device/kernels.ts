/** Single layers, for microbenchmarks and for those who build something else than networks. */
import { checkOptions } from '../errors.js';
import type { BatchView } from './batch-matrix.js';
import type { Device } from './device.js';
import { checkMaker, maker } from './made-by.js';
import type { Maker } from './made-by.js';
import type { MaskShape } from './mask-shape.js';
import type { GradientRule, Mlp } from './mlp.js';
import { NmMatrix } from './nm-matrix.js';

export interface LinearOptions {
  inputs: number;
  outputs: number;
  /** Row-wise N:M pattern of the weights, null for dense ones. Default: null. */
  pattern?: { readonly n: number; readonly m: number } | null;
  /** Shape of the mask. Default: row. */
  maskShape?: MaskShape;
  /** masked: the weight gradient at active positions; else at all. Default: masked. */
  gradientRule?: GradientRule;
  /** Seed of PyTorch's default initialisation. Default: 0. */
  seed?: number;
}

const linearOptions = [
  'inputs',
  'outputs',
  'pattern',
  'maskShape',
  'gradientRule',
  'seed',
] as const;

/** y = W x + b and its gradients, with W row-wise N:M sparse or dense. */
export class Linear {
  /** The network of this one layer: its weights, Adam, Polyak averaging and masks. */
  readonly mlp: Mlp;

  /** Use `device.kernels.linear(options)`. */
  constructor(made: Maker, device: Device, options: LinearOptions) {
    checkMaker('Linear', 'device.kernels.linear(options)', made);
    checkOptions('the options of a layer', options, linearOptions);
    const { inputs, outputs, pattern = null, ...rest } = options;
    this.mlp = device.mlp({ ...rest, sizes: [inputs, outputs], patterns: [pattern] });
  }

  /**
   * y = W x + b.
   *
   * @param x [batch, inputs]
   * @param y [batch, outputs]
   * @param options.keep keep x for `weightGradient` and `dataGradient`; default: false
   */
  forward(x: BatchView, y: BatchView, options: { keep?: boolean } = {}): void {
    this.mlp.forward(x, y, options);
  }

  /**
   * dx = W^T dy, after a forward pass with `keep`.
   *
   * @param dy [batch, outputs]
   * @param dx [batch, inputs]
   */
  dataGradient(dy: BatchView, dx: BatchView): void {
    this.mlp.backward(dy, { weightGradient: false, inputGradient: dx });
  }

  /**
   * dW[o, i] = sum over the batch of dy[o] x[i], and likewise the bias's, after a forward pass with
   * `keep`. Read them with `mlp.read(0, 'weightGradient')`.
   *
   * @param dy [batch, outputs]
   */
  weightGradient(dy: BatchView): void {
    this.mlp.backward(dy);
  }
}

export class Kernels {
  readonly #device: Device;

  /** Use `device.kernels`. */
  constructor(made: Maker, device: Device) {
    checkMaker('Kernels', 'device.kernels', made);
    this.#device = device;
  }

  /** A single layer. */
  linear(options: LinearOptions): Linear {
    return new Linear(maker, this.#device, options);
  }

  /**
   * Project a row-major matrix [outputs, inputs]: of every M consecutive weights of a row the N
   * largest magnitudes stay active, or a transposable mask. The result holds them compressed.
   */
  project(
    weights: Float32Array,
    shape: { outputs: number; inputs: number },
    pattern: { n: number; m: number },
    options: { maskShape?: MaskShape } = {},
  ): NmMatrix {
    this.#device.checkOpen();
    return new NmMatrix(weights, shape, pattern, options);
  }
}
