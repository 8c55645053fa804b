/** What each kernel family computes on a shape, as something to time, with its operations and bytes. */
import type { Device } from '../device/index.js';
import { parsePattern } from '../td3/pattern.js';
import type { Product } from './blas-peers.js';

/** A shape to run kernels on: a layer, and the batch that goes through it. */
export interface KernelShape {
  inputs: number;
  outputs: number;
  batch: number;
}

/** One kernel on one shape under one pattern. */
export interface Problem {
  run: () => void;
  /** Multiplications and additions that the pattern leaves; null where they are not what counts. */
  flops: number | null;
  /** What a dense layer would need. */
  denseFlops: number | null;
  /** Bytes that have to be read and written at least once. */
  bytes: number;
}

/** A family: how to make a problem of it. */
export interface KernelFamily {
  name: string;
  /** "sparse" makes no sense for dense weights, "none" has no weights. */
  patterns: 'all' | 'sparse' | 'none';
  /** The dense product that a library would compute. */
  product?: (shape: KernelShape) => Product;
  make: (device: Device, shape: KernelShape, sparsity: string) => Problem;
}

const floatBytes = 4;
const columnBytes = 2;
const adamOptions = { learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** Weights that a pattern leaves active. */
export function activeWeights({ inputs, outputs }: KernelShape, sparsity: string): number {
  const pattern = parsePattern('sparsity', sparsity);
  if (pattern === null) return inputs * outputs;
  const { n, m } = pattern;
  return outputs * (Math.floor(inputs / m) * n + Math.min(n, inputs % m));
}

/** A layer between random batches, ready for every pass. */
function makeLayer(device: Device, shape: KernelShape, sparsity: string, rule?: 'masked' | 'ste') {
  const { inputs, outputs, batch } = shape;
  const pattern = parsePattern('sparsity', sparsity);
  const gradientRule = rule ?? 'masked';
  const linear = device.kernels.linear({ inputs, outputs, pattern, gradientRule });
  const [x, dx] = [device.matrix(batch, inputs), device.matrix(batch, inputs)];
  const [y, dy] = [device.matrix(batch, outputs), device.matrix(batch, outputs)];
  device.fillNormal(x, 0, 1);
  device.fillNormal(dy, 0, 2);
  linear.forward(x, y, { keep: true });
  linear.weightGradient(dy);
  return { linear, x, y, dx, dy };
}

/** Operations and bytes of a product over the batch; a result may be dense though weights are not. */
function costs(shape: KernelShape, sparsity: string, denseResult = false) {
  const { inputs, outputs, batch } = shape;
  const active = denseResult ? inputs * outputs : activeWeights(shape, sparsity);
  const perWeight = sparsity === 'dense' || denseResult ? floatBytes : floatBytes + columnBytes;
  return {
    flops: 2 * batch * active,
    denseFlops: 2 * batch * inputs * outputs,
    bytes: active * perWeight + floatBytes * batch * (inputs + outputs),
  };
}

/** Kernels that are bound by memory: their operations are not counted. */
const moved = (bytes: number) => ({ flops: null, denseFlops: null, bytes });

const linearFamilies: KernelFamily[] = [
  {
    name: 'forward',
    patterns: 'all',
    product: ({ inputs, outputs, batch }) => {
      return { m: batch, n: outputs, k: inputs, transposeA: false, transposeB: true };
    },
    make: (device, shape, sparsity) => {
      const { linear, x, y } = makeLayer(device, shape, sparsity);
      return { run: () => linear.forward(x, y), ...costs(shape, sparsity) };
    },
  },
  {
    name: 'dataGradient',
    patterns: 'all',
    product: ({ inputs, outputs, batch }) => {
      return { m: batch, n: inputs, k: outputs, transposeA: false, transposeB: false };
    },
    make: (device, shape, sparsity) => {
      const { linear, dx, dy } = makeLayer(device, shape, sparsity);
      return { run: () => linear.dataGradient(dy, dx), ...costs(shape, sparsity) };
    },
  },
  {
    name: 'weightGradient',
    patterns: 'all',
    product: ({ inputs, outputs, batch }) => {
      return { m: outputs, n: inputs, k: batch, transposeA: true, transposeB: false };
    },
    make: (device, shape, sparsity) => {
      const { linear, dy } = makeLayer(device, shape, sparsity);
      return { run: () => linear.weightGradient(dy), ...costs(shape, sparsity) };
    },
  },
  {
    // Of sparse weights, at all positions: what the straight-through rules need.
    name: 'weightGradientDense',
    patterns: 'all',
    make: (device, shape, sparsity) => {
      const { linear, dy } = makeLayer(device, shape, sparsity, 'ste');
      return { run: () => linear.weightGradient(dy), ...costs(shape, sparsity, true) };
    },
  },
];

const weightFamilies: KernelFamily[] = [
  {
    name: 'adam',
    patterns: 'all',
    make: (device, shape, sparsity) => {
      const { mlp } = makeLayer(device, shape, sparsity).linear;
      // Reads weight, gradient and both moments, writes all but the gradient.
      const bytes = 7 * floatBytes * activeWeights(shape, sparsity);
      return { run: () => mlp.adam(adamOptions), ...moved(bytes) };
    },
  },
  {
    name: 'polyak',
    patterns: 'all',
    make: (device, shape, sparsity) => {
      const { mlp } = makeLayer(device, shape, sparsity).linear;
      const target = makeLayer(device, shape, sparsity).linear.mlp;
      // Two read, one written. A sparse layer's dormant weights are left for later (network.h).
      const bytes = 3 * floatBytes * activeWeights(shape, sparsity);
      return { run: () => target.polyak(mlp, 0.005), ...moved(bytes) };
    },
  },
  {
    name: 'projection',
    patterns: 'sparse',
    make: (device, shape, sparsity) => {
      const { mlp } = makeLayer(device, shape, sparsity).linear;
      const bytes = floatBytes * shape.inputs * shape.outputs;
      return { run: () => void mlp.updateMasks(), ...moved(bytes) };
    },
  },
];

/** Rows of a replay buffer that no cache holds. */
const gatheredRows = 20_000;

/** Their rows have the layer's inputs as observations and its outputs as actions. */
const batchFamilies: KernelFamily[] = [
  {
    name: 'gather',
    patterns: 'none',
    make: (device, { inputs, outputs, batch }) => {
      const sizes = { observationSize: inputs, actionSize: outputs };
      const replay = device.replay({ capacity: gatheredRows, ...sizes });
      const block = new Float32Array(1000 * replay.rowLength);
      while (replay.size < replay.capacity) replay.append(block);
      const matrix = (columns: number) => device.matrix(batch, columns);
      const views = {
        observation: matrix(inputs),
        action: matrix(outputs),
        reward: matrix(1),
        nextObservation: matrix(inputs),
        discount: matrix(1),
      };
      let draw = 0;
      const bytes = 2 * floatBytes * batch * replay.rowLength;
      return { run: () => replay.sample(0, draw++, views), ...moved(bytes) };
    },
  },
  {
    name: 'noise',
    patterns: 'none',
    make: (device, { outputs, batch }) => {
      const noise = device.matrix(batch, outputs);
      let draw = 0;
      return {
        run: () => device.fillNormal(noise, 0, draw++),
        ...moved(floatBytes * batch * outputs),
      };
    },
  },
  {
    name: 'smoothing',
    patterns: 'none',
    make: (device, { outputs, batch }) => {
      const [action, noise] = [device.matrix(batch, outputs), device.matrix(batch, outputs)];
      device.fillNormal(noise, 0, 1);
      const range = {
        low: new Float32Array(outputs).fill(-1),
        high: new Float32Array(outputs).fill(1),
        noiseScale: 0.2,
        noiseClip: 0.5,
      };
      const bytes = 3 * floatBytes * batch * outputs;
      return { run: () => device.smooth(action, noise, range), ...moved(bytes) };
    },
  },
  {
    name: 'tdTarget',
    patterns: 'none',
    make: (device, { batch }) => {
      const [reward, discount, target] = [1, 1, 1].map((columns) => device.matrix(batch, columns));
      const q = device.matrix(batch, 2);
      device.fillNormal(q, 0, 1);
      device.fill(discount!, 0.99);
      const views = { reward: reward!, discount: discount!, q };
      return { run: () => device.tdTarget(views, target!), ...moved(5 * floatBytes * batch) };
    },
  },
];

/** Every family, in the order of an update. */
export const kernelFamilies: readonly KernelFamily[] = [
  ...linearFamilies,
  ...weightFamilies,
  ...batchFamilies,
];
