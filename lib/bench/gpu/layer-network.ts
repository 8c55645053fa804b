/** Networks that single layers are timed in. */
import type { Device, MaskShape, Mlp } from '../../device/index.js';
import { parsePattern } from '../../td3/pattern.js';
import type { Candidate } from '../pairing.js';
import type { GpuShape } from './gpu-options.js';
import { repeatCalls } from './repeated-calls.js';

/** What is timed of a network; weight gradients come on top of data gradients. */
export const passNames = ['forward', 'dataGradients', 'allGradients', 'adam'] as const;
export type PassName = (typeof passNames)[number];
export type Passes = Record<PassName, Candidate>;

/** Inputs and outputs: as narrow as a task's. */
const edge = 8;

/** The numbers stay what they are, the work is the same. */
const noStep = { learningRate: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** Layers of a width in one network: more of narrow ones, so that they outweigh its ends. */
export function depthOf(width: number): number {
  return Math.max(1, Math.min(8, Math.floor(2048 / width)));
}

/**
 * `depth` layers [width, width] with a pattern between two dense ones, which lead there from 8 inputs
 * and from there to 8 outputs. A GPU takes no layer as sparse but those between hidden ones.
 *
 * Without layers in between (depth 0) it is what has to be subtracted.
 */
export function makePasses(
  device: Device,
  { width, batch }: GpuShape,
  depth: number,
  sparsity: string,
  maskShape: MaskShape = 'row',
): Passes {
  const pattern = parsePattern('sparsity', sparsity);
  const inner = Array.from({ length: depth }, () => pattern);
  const sizes = [edge, width, ...inner.map(() => width), edge];
  const mlp = device.mlp({ sizes, patterns: [null, ...inner, null], maskShape });
  try {
    return passesOf(device, mlp, batch, sparsity);
  } catch (error) {
    // The memory that was too little for it may be enough for the next one.
    mlp.close();
    throw error;
  }
}

function passesOf(device: Device, mlp: Mlp, batch: number, name: string): Passes {
  const [x, y, dy] = [0, 1, 2].map(() => device.matrix(batch, edge));
  device.fillNormal(x!, 0, 1);
  device.fillNormal(dy!, 0, 2);
  // Plans sparse layers, both ways, and leaves what backward passes need.
  mlp.forward(x!, y!, { keep: true });
  mlp.backward(dy!);
  const make = (calls: () => void) => repeatCalls(device, name, calls);
  return {
    forward: make(() => mlp.forward(x!, y!, { keep: true })),
    dataGradients: make(() => mlp.backward(dy!, { weightGradient: false })),
    allGradients: make(() => mlp.backward(dy!)),
    adam: make(() => mlp.adam(noStep)),
  };
}
