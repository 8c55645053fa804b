/** Multilayer perceptrons on a device: passes, optimiser, targets and masks, for an ensemble. */
import {
  checkBoolean,
  checkFloat32,
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkOptions,
  closedValue,
  invalidValue,
  isFloat32,
} from '../errors.js';
import { checkView } from './batch-matrix.js';
import type { BatchView } from './batch-matrix.js';
import type { Device } from './device.js';
import { maxLayers, maxMembers, maxWidth } from './limits.js';
import { checkMaker } from './made-by.js';
import type { Maker } from './made-by.js';
import { checkMaskShape } from './mask-shape.js';
import type { MaskShape } from './mask-shape.js';
import { checkFits, networkBytes, passNeed } from './memory.js';
import type { NetworkShape } from './memory.js';
import type { NativeNetwork, NativeNetworkSpec } from './native.js';
import { allocating } from './native-error.js';
import { float32Of } from './numbers.js';
import { checkRanges } from './ranges.js';

/** What a network is for; see `MlpOptions.role`. */
export type NetworkRole = (typeof roles)[number];
const roles = ['online', 'target', 'inference'] as const;

/** How weight gradients treat dormant weights; see `MlpOptions.gradientRule`. */
export type GradientRule = 'masked' | 'ste' | 'sr-ste';

/** See `MlpOptions.initialScale`. */
export type InitialScale = (typeof initialScales)[number];
export const initialScales = ['dense', 'variance'] as const;

/** See `MlpOptions.newMoment`. */
export type NewMoment = (typeof newMoments)[number];
export const newMoments = ['zero', 'row-mean'] as const;

/** See `MaskUpdateOptions.rule`. */
export type MaskRule = (typeof maskRules)[number];
export const maskRules = ['magnitude', 'gradient', 'random'] as const;

/** How `Mlp.updateMasks` chooses. */
export interface MaskUpdateOptions {
  /**
   * magnitude: every group keeps its largest weights (RNM-TD3). The others swap weights within groups: of a
   * layer's groups with a dormant weight, those whose smallest active magnitude is smallest lose that weight.
   * In its place the dormant weight with the largest gradient becomes active (gradient: RigL, Evci et al.
   * 2020), or one that is drawn (random: SET, Mocanu et al. 2018). Both are 0 then, as are their moments.
   * Default: magnitude.
   */
  rule?: MaskRule;
  /** Share of those groups that swap, from 0 to 1, rounded half up for each layer and member. Default: 0.3. */
  dropFraction?: number;
  /** What `random` draws from, as Philox does: the same numbers on every device. Default: 0 and 0. */
  seed?: number;
  stream?: number;
}

export interface MlpOptions {
  /** Inputs, hidden widths, outputs: at least two integers from 1 to 65535. */
  sizes: readonly number[];
  /** Row-wise N:M pattern of each layer, null for a dense one. Default: all dense. */
  patterns?: readonly ({ readonly n: number; readonly m: number } | null)[];
  /** Shape of the masks of all sparse layers. Default: row. */
  maskShape?: MaskShape;
  /** Ensemble size, up to 1024. Default: 1. */
  members?: number;
  /**
   * masked: only active weights learn (RNM-TD3); ste: all weights get the dense gradient; sr-ste:
   * ste, with dormant weights decayed by srLambda (Zhou et al. 2021, eq. 9). Default: masked.
   */
  gradientRule?: GradientRule;
  /** Default: 2e-4. */
  srLambda?: number;
  /**
   * Adam steps the weights of an N:M layer with (M/N)^densityPower times the learning rate, all else with the
   * learning rate: rows with fewer weights move less per step (Dey et al. 2024, "Sparse maximal update
   * parameterization", has 1 for static masks). Default: 0.
   */
  densityPower?: number;
  /**
   * Initial weights of a sparse layer: as a dense layer's, or larger, so that the active weights of a row have
   * the variance of a whole dense row (1.118 times at 2:4, 1.414 at 1:4, 1.826 at 1:8). Default: dense.
   */
  initialScale?: InitialScale;
  /**
   * Adam's second moment of a weight that becomes active without one: 0, or the mean over its row's active
   * weights. The step count is the network's, so that with 0 the first steps are up to six times as long as
   * others. Default: zero.
   */
  newMoment?: NewMoment;
  /** If given, the output is tanh scaled to [low, high] per dimension; else it is linear. */
  outputRange?: { low: Float32Array; high: Float32Array };
  /**
   * What it is for: `online` networks learn; `target` ones hold no gradients and moments; `inference`
   * ones no dormant weights either, so that their masks are fixed. Default: online.
   */
  role?: NetworkRole;
  /** Seed of PyTorch's default initialisation. Default: 0. */
  seed?: number;
  /** Tells networks with the same seed apart. Default: 0. */
  stream?: number;
}

/** Members [first, first + count) of an ensemble. */
export interface MemberRange {
  first: number;
  count: number;
}

/** Parts of a layer's state, in the order of the native enumeration. */
const parts = [
  'weight',
  'maskedWeight',
  'mask',
  'gradientMask',
  'weightMoment1',
  'weightMoment2',
  'weightGradient',
  'dormantGradient',
  'bias',
  'biasMoment1',
  'biasMoment2',
  'biasGradient',
] as const;

/**
 * A part of a layer: weight-shaped ones are dense [out, in] whatever the pattern (`weight` is the
 * whole stored W, `maskedWeight` has zeros at dormant places), bias-shaped ones are [out].
 * `dormantGradient` is the gradient at all weights, dormant ones included, of the last backward pass that was
 * asked for it, or in part of a later one; zeros before. `gradientMask` is 1 where the data gradient may read
 * the weight: the mask, unless the device prunes the transpose again (`DeviceOptions.dataGradient`).
 */
export type LayerPart = (typeof parts)[number];

export interface AdamOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
}

const optionNames = [
  'sizes',
  'patterns',
  'maskShape',
  'members',
  'gradientRule',
  'srLambda',
  'densityPower',
  'initialScale',
  'newMoment',
  'outputRange',
  'role',
  'seed',
  'stream',
] as const;

type Pattern = { readonly n: number; readonly m: number } | null;

function nativeSpec(options: MlpOptions): NativeNetworkSpec {
  checkOptions('the options of a network', options, optionNames);
  const { outputRange, members = 1, gradientRule = 'masked' } = options;
  const { role = 'online', maskShape = 'row' } = options;
  const { initialScale = 'dense', newMoment = 'zero' } = options;
  checkOneOf('role', role, roles);
  const sizes = checkSizes(options.sizes);
  const patterns = checkPatterns(options.patterns, sizes.length - 1, maskShape);
  checkOneOf('gradientRule', gradientRule, ['masked', 'ste', 'sr-ste']);
  checkOneOf('initialScale', initialScale, initialScales);
  checkOneOf('newMoment', newMoment, newMoments);
  if (outputRange !== undefined) {
    const { low, high } = (outputRange as typeof outputRange | null) ?? {};
    checkRanges(low as Float32Array, high as Float32Array, sizes.at(-1) ?? 0);
    checkOptions('outputRange', outputRange, ['low', 'high']);
  }
  return {
    sizes,
    patterns: patterns.flatMap((pattern) => (pattern === null ? [0, 0] : [pattern.n, pattern.m])),
    maskShape,
    members: checkInteger('members', members, 1, maxMembers),
    rule: gradientRule,
    srLambda: checkFloat32('srLambda', checkNumber('srLambda', options.srLambda ?? 2e-4, 0)),
    densityPower: checkNumber('densityPower', options.densityPower ?? 0),
    initialScale,
    newMoment,
    low: outputRange?.low ?? new Float32Array(0),
    high: outputRange?.high ?? new Float32Array(0),
    role,
    seed: checkInteger('seed', options.seed ?? 0, 0),
    stream: checkInteger('stream', options.stream ?? 0, 0),
  };
}

function checkSizes(sizes: unknown): number[] {
  if (!Array.isArray(sizes) || sizes.length < 2 || sizes.length > maxLayers + 1) {
    throw invalidValue('sizes', `an array of from 2 to ${maxLayers + 1} layer sizes`, sizes);
  }
  // Not by the array's own methods, which pass over holes.
  return Array.from(sizes, (size, i) => checkInteger(`sizes[${i}]`, size, 1, maxWidth));
}

/** One pattern for each layer, with the shape that its masks shall have. */
function checkPatterns(given: unknown, layers: number, maskShape: MaskShape): Pattern[] {
  if (given !== undefined && !(Array.isArray(given) && given.length === layers)) {
    throw invalidValue('patterns', `an array of ${layers} patterns, one for each layer`, given);
  }
  const patterns: readonly unknown[] = given ?? [];
  return Array.from({ length: layers }, (_, i) => {
    const pattern = checkPattern(`patterns[${i}]`, patterns[i]);
    checkMaskShape(maskShape, `patterns[${i}]`, pattern);
    return pattern;
  });
}

function checkPattern(name: string, pattern: unknown): Pattern {
  if (pattern === null || pattern === undefined) return null;
  const { n, m } = pattern as { n?: unknown; m?: unknown };
  if (isInteger(n) && isInteger(m) && n >= 1 && n <= m && m <= 32) return { n, m };
  const received = isInteger(n) && isInteger(m) ? `${n}:${m}` : pattern;
  throw invalidValue(name, 'null or { n, m } with 1 <= n <= m <= 32', received);
}

function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}

/** What decides how much memory a network takes. */
function shapeOf(spec: NativeNetworkSpec): NetworkShape {
  const { sizes, members, rule, role } = spec;
  const patterns = sizes.slice(1).map((_, i) => {
    const [n = 0, m = 0] = spec.patterns.slice(2 * i, 2 * i + 2);
    return m === 0 ? null : { n, m };
  });
  return { sizes, patterns, members, learnsDormant: rule !== 'masked', role: role as NetworkRole };
}

/** The kernels take float32: what a value becomes there has to fit too. */
function checkAdam(options: AdamOptions): void {
  checkOptions('the options of adam', options, ['learningRate', 'beta1', 'beta2', 'epsilon']);
  const { learningRate, epsilon } = options;
  checkFloat32('learningRate', checkNumber('learningRate', learningRate, 0));
  for (const name of ['beta1', 'beta2'] as const) {
    const beta: unknown = options[name];
    if (isFloat32(beta) && beta >= 0 && Math.fround(beta) < 1) continue;
    throw invalidValue(name, 'a number from 0 to below 1, in float32 too,', beta);
  }
  if (!isFloat32(epsilon) || Math.fround(epsilon) <= 0) {
    throw invalidValue('epsilon', 'a positive number, in float32 too,', epsilon);
  }
}

const backwardOptions = [
  'members',
  'weightGradient',
  'dormantGradient',
  'inputGradient',
  'inputFirst',
] as const;

export class Mlp {
  readonly sizes: readonly number[];
  readonly members: number;
  readonly trainable: boolean;
  /** Its `gradientMask` is a state of its own: see `DeviceOptions.dataGradient`. */
  readonly prunesTranspose: boolean;
  readonly #device: Device;
  readonly #native: NativeNetwork;
  #closed = false;
  /** Rows of a batch whose activations are known to fit the memory. */
  #rows = 0;

  /** Use `device.mlp(options)`. */
  constructor(
    made: Maker,
    device: Device,
    options: MlpOptions,
    make: (spec: NativeNetworkSpec) => NativeNetwork,
  ) {
    checkMaker('Mlp', 'device.mlp(options)', made);
    const spec = nativeSpec(options);
    checkFits(device, { what: 'a network', bytes: networkBytes(shapeOf(spec)) });
    this.sizes = Object.freeze([...spec.sizes]);
    this.members = spec.members;
    this.trainable = spec.role === 'online';
    this.prunesTranspose = device.prunesTransposes && this.trainable;
    this.#device = device;
    this.#native = make(spec);
  }

  /** Number of layers. */
  get layers(): number {
    return this.sizes.length - 1;
  }

  /**
   * output[:, e * outputs + j] = output j of member first + e.
   *
   * @param input [batch, inputs]
   * @param output [batch, members * outputs]
   * @param options.members which members; default: all
   * @param options.keep keep the activations for `backward`; default: false
   */
  forward(
    input: BatchView,
    output: BatchView,
    options: { members?: MemberRange; keep?: boolean } = {},
  ): void {
    this.#device.checkOpen();
    const { keep = false } = checkOptions('the options of forward', options, ['members', 'keep']);
    const { first, count } = this.#checkMembers(options.members);
    const inputView = checkView(this.#device, 'input', input);
    const outputView = checkView(this.#device, 'output', output);
    checkBoolean('keep', keep);
    if (keep) this.#reserve(input.matrix.rows);
    this.#native.forward(...inputView, ...outputView, first, count, keep);
  }

  /**
   * Gradients of the last forward pass with `keep`.
   *
   * @param outputGradient dLoss/dOutput, shaped as the output was
   * @param options.weightGradient overwrite the weight and bias gradients; default: true
   * @param options.dormantGradient with those of dormant weights, which `updateMasks` by gradient reads;
   *   default: false
   * @param options.inputGradient receives dLoss/dInput (summed over the members) of as many
   *   columns as it has, from column `inputFirst` (default 0) of the input on
   */
  backward(
    outputGradient: BatchView,
    options: {
      members?: MemberRange;
      weightGradient?: boolean;
      dormantGradient?: boolean;
      inputGradient?: BatchView;
      inputFirst?: number;
    } = {},
  ): void {
    this.#device.checkOpen();
    checkOptions('the options of backward', options, backwardOptions);
    const { weightGradient = true, dormantGradient = false } = options;
    const { inputGradient, inputFirst = 0 } = options;
    const { first, count } = this.#checkMembers(options.members);
    const view = checkView(this.#device, 'outputGradient', outputGradient);
    checkBoolean('weightGradient', weightGradient);
    checkBoolean('dormantGradient', dormantGradient);
    if (dormantGradient && !weightGradient) {
      throw invalidValue('weightGradient', 'true where dormantGradient is', weightGradient);
    }
    const common = [...view, first, count, weightGradient, dormantGradient] as const;
    if (inputGradient === undefined) {
      this.#native.backward(...common);
    } else {
      const inputView = checkView(this.#device, 'inputGradient', inputGradient);
      checkInteger('inputFirst', inputFirst, 0, this.sizes[0]);
      this.#native.backward(...common, ...inputView, inputFirst);
    }
  }

  /**
   * One Adam step (PyTorch's semantics) on all members with the gradients of `backward`.
   *
   * @param options learningRate >= 0, beta1 and beta2 in [0, 1), epsilon > 0
   */
  adam(options: AdamOptions): void {
    this.#device.checkOpen();
    checkAdam(options);
    this.#native.adam(options.learningRate, options.beta1, options.beta2, options.epsilon);
  }

  /** Polyak averaging: W += tau * (source.W - W), over dormant weights and biases too. */
  polyak(source: Mlp, tau: number): void {
    this.#open().polyak(this.#nativeOf('source', source), checkNumber('tau', tau, 0, 1));
  }

  /**
   * Take weights, biases and masks of a network with the same shape. Transposable masks cannot be
   * replaced by those of shape `row`, here and in `followMasks`.
   */
  copyFrom(source: Mlp): void {
    this.#open().copyFrom(this.#nativeOf('source', source));
  }

  /**
   * Choose the masks of every sparse layer anew: projected again, or by swaps. Targets are projected, or follow
   * another network (`followMasks`). Returns the number of mask entries that changed.
   */
  updateMasks(options: MaskUpdateOptions = {}): number {
    checkOptions('options', options, ['rule', 'dropFraction', 'seed', 'stream']);
    const { rule = 'magnitude', dropFraction = 0.3, seed = 0, stream = 0 } = options;
    checkOneOf('rule', rule, maskRules);
    checkNumber('dropFraction', dropFraction, 0, 1);
    const numbers = [checkInteger('seed', seed, 0), checkInteger('stream', stream, 0)] as const;
    return this.#open().updateMasks(rule, dropFraction, ...numbers);
  }

  /** Multiply all dormant weights by a factor from 0 to 1. */
  scaleDormant(factor: number): void {
    this.#open().scaleDormant(checkNumber('factor', factor, 0, 1));
  }

  /** Take another network's masks. Returns the number of mask entries that changed. */
  followMasks(source: Mlp): number {
    return this.#open().followMasks(this.#nativeOf('source', source));
  }

  /** Sparse architecture divergence (SAD): positions in which a member's masks differ in two networks. */
  divergence(other: Mlp, member = 0): number {
    checkInteger('member', member, 0, this.members - 1);
    return this.#open().divergence(this.#nativeOf('other', other), member);
  }

  /**
   * Largest magnitude among a member's weights, dormant ones included, and biases; NaN if any of
   * them is NaN. Default: the first member.
   */
  largestWeight(member = 0): number {
    this.#device.checkOpen();
    return this.#native.largestWeight(checkInteger('member', member, 0, this.members - 1));
  }

  /** The same of the moments of Adam of all members, of weights and biases; 0 for a network that holds none. */
  largestMoment(): number {
    this.#device.checkOpen();
    return this.#native.largestMoment();
  }

  /**
   * Hidden units of a member that were 0 for every row of the last forward pass with `keep`: they learn nothing
   * from it. 0 before there was one. Default: the first member.
   */
  idleUnits(member = 0): number {
    checkInteger('member', member, 0, this.members - 1);
    return this.#open().idleUnits(member);
  }

  /** A copy of a part of a layer: [out, in] row-major, or [out]. */
  read(layer: number, part: LayerPart, member = 0): Float32Array {
    this.#device.checkOpen();
    const length = this.#partLength(layer, part, member);
    return allocating(() => {
      const target = new Float32Array(length);
      this.#native.read(member, layer, parts.indexOf(part), target);
      return target;
    });
  }

  /**
   * Replace a part of a layer. Masks have to fit pattern and shape; gradients but `dormantGradient` are
   * read only, and so is `gradientMask` unless `prunesTranspose`.
   */
  write(layer: number, part: LayerPart, values: ArrayLike<number>, member = 0): void {
    this.#device.checkOpen();
    const length = this.#partLength(layer, part, member);
    const source = allocating(() => float32Of(`${part} of layer ${layer}`, values, length));
    this.#native.write(member, layer, parts.indexOf(part), source);
  }

  /** Adam steps taken so far; may be set when a state is restored. */
  get adamSteps(): number {
    return this.#open().adamSteps();
  }

  set adamSteps(steps: number) {
    this.#open().setAdamSteps(checkInteger('adamSteps', steps, 0));
  }

  /** Share of active weights among all weights of a member (biases not counted). */
  density(member = 0): number {
    let active = 0;
    let all = 0;
    for (let layer = 0; layer < this.layers; layer++) {
      const mask = this.read(layer, 'mask', member);
      active += mask.reduce((sum, entry) => sum + entry, 0);
      all += mask.length;
    }
    return active / all;
  }

  /** Bytes held for weights, indices, moments and gradients. */
  get bytes(): number {
    return this.#open().bytes();
  }

  /** Free its memory now. Further use throws. */
  close(): void {
    this.#native.release();
    this.#closed = true;
  }

  /** For `Device.polyak`: targets and their sources in turn. */
  static nativePairs(
    device: Device,
    pairs: readonly { target: Mlp; source: Mlp }[],
  ): NativeNetwork[] {
    if (!Array.isArray(pairs)) throw invalidValue('pairs', 'an array of networks', pairs);
    return pairs.flatMap((pair, i) => {
      checkObject(`pairs[${i}]`, pair);
      const { target, source } = pair;
      if (!(target instanceof Mlp) || target.#device !== device) {
        throw invalidValue(`pairs[${i}].target`, 'a network of the device', target);
      }
      const isTwice = pairs.some((other, j) => {
        return j !== i && (other?.target === target || other?.source === target);
      });
      if (isTwice) {
        throw invalidValue(`pairs[${i}].target`, 'a network of no other pair', target);
      }
      if (target.#closed) throw closedValue(`pairs[${i}].target`, 'a network');
      return [target.#open(), target.#nativeOf(`pairs[${i}].source`, source)];
    });
  }

  #open(): NativeNetwork {
    this.#device.checkOpen();
    return this.#native;
  }

  /** A batch larger than all before it: its activations have to fit the memory. */
  #reserve(rows: number): void {
    if (rows <= this.#rows) return;
    checkFits(this.#device, passNeed(this.sizes, this.members, rows));
    this.#rows = rows;
  }

  #checkMembers(range: MemberRange | undefined): MemberRange {
    if (range === undefined) return { first: 0, count: this.members };
    checkOptions('members', range, ['first', 'count']);
    checkInteger('members.first', range.first, 0, this.members - 1);
    checkInteger('members.count', range.count, 1, this.members - range.first);
    return range;
  }

  #nativeOf(name: string, network: Mlp): NativeNetwork {
    const native = network instanceof Mlp ? network.#open() : undefined;
    if (native !== undefined && network.#device === this.#device) {
      if (network.#closed) throw closedValue(name, 'a network');
      return native;
    }
    throw invalidValue(name, 'a network of the same device', network);
  }

  #partLength(layer: number, part: LayerPart, member: number): number {
    checkInteger('layer', layer, 0, this.layers - 1);
    checkInteger('member', member, 0, this.members - 1);
    const [inputs = 0, outputs = 0] = [this.sizes[layer], this.sizes[layer + 1]];
    const index = parts.indexOf(part);
    if (index < 0) throw invalidValue('part', `one of ${parts.join(', ')}`, part);
    return index >= parts.indexOf('bias') ? outputs : outputs * inputs;
  }
}
