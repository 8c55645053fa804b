/** A device: what networks, batches and replay buffers are made on and computed with. */
import {
  checkBoolean,
  checkFloat32,
  checkFunction,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkText,
  invalidValue,
  RunError,
} from '../errors.js';
import { BatchMatrix, checkView } from './batch-matrix.js';
import type { BatchView } from './batch-matrix.js';
import { cacheFolder } from './cache-folder.js';
import { Graph } from './graph.js';
import { Kernels } from './kernels.js';
import { maxColumns, maxRows } from './limits.js';
import { loadAddon } from './loader.js';
import { maker } from './made-by.js';
import { checkFits, matrixNeed } from './memory.js';
import { Mlp } from './mlp.js';
import type { MlpOptions } from './mlp.js';
import type {
  CudaReport,
  NativeAddon,
  NativeDevice,
  NativeDeviceInfo,
  SparseChoice,
} from './native.js';
import { nativeError } from './native-error.js';
import { checkLimits } from './ranges.js';
import { Replay } from './replay.js';
import type { ReplayOptions } from './replay.js';

/** Names of the devices; whether this machine has them is another matter. */
export const deviceNames = ['cpu', 'cuda', 'cuda-emulated'] as const;
export type DeviceName = (typeof deviceNames)[number];

/** Arithmetic of matrix products on a GPU. */
export const precisions = ['fp32', 'tf32', 'bf16'] as const;
export type Precision = (typeof precisions)[number];

/** Which layers a GPU's tensor cores take as sparse. */
export const sparseUses = ['auto', 'always', 'never'] as const;
export type SparseUse = (typeof sparseUses)[number];

/** How a GPU's data gradients multiply with the transpose of sparse weights. */
export const dataGradients = ['dense', 'transposable', 'double-pruned'] as const;
export type DataGradient = (typeof dataGradients)[number];

/** How a GPU computes the weight gradients of sparse layers. */
export const weightGradients = ['auto', 'dense', 'sampled'] as const;
export type WeightGradient = (typeof weightGradients)[number];

export interface DeviceOptions {
  /**
   * "auto" is "cuda" where there is a usable GPU, else "cpu". "cuda-emulated" runs the GPU's code
   * on the CPU, for tests. Default: "auto".
   */
  device?: 'auto' | DeviceName;
  /** Threads of the CPU backend; 0 takes every core this process may use. Default: 0. */
  threads?: number;
  /**
   * Instruction set of the CPU's kernels, one of `availableIsas()`; "plain" is the reference.
   * Default: the environment variable RNM_ISA, else the best this CPU has.
   */
  isa?: string;
  /**
   * Arithmetic of a GPU's matrix products: float32; factors rounded to 10 bits of mantissa (tf32);
   * or weights, activations and their gradients held as bfloat16. Sums and everything else are
   * float32 under each. Default: "fp32".
   */
  precision?: Precision;
  /**
   * Layers that a GPU's tensor cores take as sparse, under tf32 (patterns with at most 1 of every 2
   * weights active) and bf16 (2 of every 4): "auto" those that are faster so, "always" all that fit,
   * "never" none. Others are computed with masked dense weights, with the same results but for
   * rounding. What is faster is measured once for each shape, when the first batch comes, and then
   * kept in RNM_CACHE_DIR (default: ~/.cache/rnm-td3), so that later runs choose the same.
   * `sparseChoices()` tells. Default: "auto".
   */
  sparse?: SparseUse;
  /**
   * How a GPU computes data gradients of sparse layers, in networks that learn: "dense" with the masked
   * dense weights; "transposable" as sparse too, where masks are transposable (`MlpOptions.maskShape`)
   * and fit as they do forward, with the same results but for rounding; "double-pruned" as sparse for
   * every N:M pattern, which is approximate: of the masked weights, every column keeps the largest 2 of
   * 4 rows (bf16) or 1 of 2 (tf32), ties going to the upper row, chosen whenever masks change.
   * `sparse` is for them as well: under "auto" a shape's data gradient is measured on its own, when the
   * first one is computed. What is not sparse is computed with the masked dense weights, exactly; fp32
   * and the CPU have no other. Default: "dense".
   */
  dataGradient?: DataGradient;
  /**
   * How a GPU computes weight gradients of sparse layers where active weights alone learn
   * (`MlpOptions.gradientRule` "masked"), under fp32 and tf32: "dense" as dense products, of which Adam
   * takes what is active; "sampled" at the active weights alone, on ordinary cores in float32; "auto" as is
   * faster, which is measured as for `sparse`, where at most 1 of 4 weights is active; dense under `sparse`
   * "never". The results are the same but for rounding, and for weights that become active between
   * `backward` and `adam`: sampled ones have no gradient until the next pass. Under bf16, of layers with fewer
   * than 32 outputs, where dormant weights learn too, and in passes with other numbers of rows than the first
   * of 8 or more, they are dense in any case. Default: "auto".
   */
  weightGradient?: WeightGradient;
}

/** Instruction sets whose kernels this CPU can run, best first. */
export function availableIsas(): string[] {
  return loadAddon().addon.availableIsas();
}

/** What CUDA finds on this machine; null if this build has no CUDA. */
export function cudaReport(options: { emulated?: boolean } = {}): CudaReport | null {
  const { emulated = false } = checkOptions('options', options, ['emulated']);
  checkBoolean('emulated', emulated);
  const { addon } = loadAddon();
  try {
    return addon.cudaReport(emulated);
  } catch {
    return null;
  }
}

/** Where standard normals come from: see `Device.fillNormal`. */
export interface NormalSource {
  seed: number;
  stream: number;
}

function isSource(noise: BatchView | NormalSource): noise is NormalSource {
  return typeof noise === 'object' && noise !== null && 'seed' in noise;
}

function bestDevice(): DeviceName {
  return cudaReport()?.status === 'usable' ? 'cuda' : 'cpu';
}

/** What keeps a GPU from being used is the machine's doing, and no reason to look for a bug. */
function openDevice(open: () => NativeDevice, name: DeviceName): NativeDevice {
  try {
    return open();
  } catch (error) {
    if (name === 'cpu') throw error;
    throw new RunError(`Device "${name}" cannot be used. ${(error as Error).message}`);
  }
}

const optionNames = [
  'device',
  'threads',
  'isa',
  'precision',
  'sparse',
  'dataGradient',
  'weightGradient',
] as const;

export class Device {
  readonly #addon: NativeAddon;
  readonly #native: NativeDevice;
  /** Networks that learn prune the transpose of their masked weights for the data gradient. */
  readonly prunesTransposes: boolean;
  #closed = false;

  /**
   * @throws InvalidValueError for an unknown option, device, instruction set or number of threads
   * @throws RunError if the machine lacks the device, or cannot start so many threads
   */
  constructor(options: DeviceOptions = {}) {
    checkOptions('the options of a device', options, optionNames);
    const { device = 'auto', threads = 0, isa = process.env['RNM_ISA'] ?? '' } = options;
    const { precision = 'fp32', sparse = 'auto', dataGradient = 'dense' } = options;
    const { weightGradient = 'auto' } = options;
    checkOneOf('device', device, ['auto', ...deviceNames]);
    checkInteger('threads', threads, 0);
    if (threads > 256) throw invalidValue('threads', 'at most 256', threads);
    checkText('isa', isa);
    this.#addon = loadAddon().addon;
    const isas = this.#addon.availableIsas();
    if (isa !== '' && !isas.includes(isa)) {
      throw invalidValue('isa (or RNM_ISA)', `one that this CPU can run: ${isas.join(', ')}`, isa);
    }
    checkOneOf('precision', precision, precisions);
    checkOneOf('sparse', sparse, sparseUses);
    checkOneOf('dataGradient', dataGradient, dataGradients);
    checkOneOf('weightGradient', weightGradient, weightGradients);
    const name = device === 'auto' ? bestDevice() : device;
    const ways = [precision, sparse, dataGradient, weightGradient] as const;
    this.#native = openDevice(
      () => new this.#addon.Device(name, threads, isa, ...ways, cacheFolder()),
      name,
    );
    this.prunesTransposes =
      dataGradient === 'double-pruned' && name !== 'cpu' && precision !== 'fp32';
  }

  /** Name, instruction set and threads of the device. */
  get info(): NativeDeviceInfo {
    return this.#open().info();
  }

  /**
   * How products and gradients of sparse layers are computed, for those of networks that a batch has gone through; empty
   * on a CPU, which takes all of them as sparse.
   */
  sparseChoices(): SparseChoice[] {
    return this.#open().sparseChoices();
  }

  /** Single layers and projection, below whole networks. */
  get kernels(): Kernels {
    return new Kernels(maker, this);
  }

  /** True after `close()`. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * A batch matrix of zeros, [rows, columns]: up to 2^31 - 1 rows and 2^26 columns.
   *
   * @throws RunError, as whatever allocates, if there is not enough memory
   */
  matrix(rows: number, columns: number): BatchMatrix {
    const native = this.#open();
    checkInteger('rows (batchSize)', rows, 1, maxRows);
    checkInteger('columns', columns, 1, maxColumns);
    checkFits(this, matrixNeed(rows, columns));
    return new BatchMatrix(
      maker,
      this,
      new this.#addon.Matrix(native, rows, columns),
      rows,
      columns,
    );
  }

  /**
   * A multilayer perceptron, or an ensemble of them.
   *
   * @throws RunError if there is not enough memory
   */
  mlp(options: MlpOptions): Mlp {
    const native = this.#open();
    return new Mlp(maker, this, options, (spec) => new this.#addon.Network(native, spec));
  }

  /**
   * A replay buffer in the device's memory, which a CPU takes as it fills.
   *
   * @throws RunError if the machine has less
   */
  replay(options: ReplayOptions): Replay {
    const native = this.#open();
    return new Replay(maker, this, options, (...sizes) => new this.#addon.Replay(native, ...sizes));
  }

  /**
   * Calls on this device that a GPU records and then repeats as one launch. They have to be the same
   * calls every time, on the same objects; numbers in them may differ: seeds, a learning rate. `calls`
   * may run more than once for one `run()`, so it must do nothing but make its calls.
   */
  capture(calls: () => void): Graph {
    const native = this.#open();
    return new Graph(maker, this, () => new this.#addon.Graph(native), calls);
  }

  /** Set every element. */
  fill(target: BatchView, value: number): void {
    const [matrix, first, columns] = checkView(this, 'target', target);
    if (typeof value !== 'number') throw invalidValue('value', 'a number', value);
    this.#open().fill(matrix, first, columns, value);
  }

  /**
   * Fill with standard normals that depend on (seed, stream) and the element's place alone
   * (Philox 4x32-10 and Box-Muller).
   */
  fillNormal(target: BatchView, seed: number, stream: number): void {
    checkInteger('seed', seed, 0);
    checkInteger('stream', stream, 0);
    this.#open().fillNormal(...checkView(this, 'target', target), seed, stream);
  }

  /**
   * Shift and scale each column, in place: values = (values - mean) * scale, in float32.
   *
   * @param statistics [2, columns of values]: means and scales. A graph reads them at every launch, so
   *   that new ones may be set before each; they must not be among the values
   */
  normalize(values: BatchView, statistics: BatchView): void {
    this.#open().normalize(
      ...checkView(this, 'values', values),
      ...checkView(this, 'statistics', statistics),
    );
  }

  /**
   * Target policy smoothing (TD3, Fujimoto et al. 2018, eq. 14), per dimension with half-range h:
   * action = clip(action + clip(noiseScale * noise, -noiseClip, noiseClip) * h, low, high).
   *
   * @param noise standard normals, as many as actions; or the seed and stream of those that
   *   `fillNormal` would draw, which are then kept nowhere and cost a GPU no launch
   */
  smooth(
    action: BatchView,
    noise: BatchView | NormalSource,
    range: { low: Float32Array; high: Float32Array; noiseScale: number; noiseClip: number },
  ): void {
    const actionView = checkView(this, 'action', action);
    if (range != null) checkOptions('range', range, ['low', 'high', 'noiseScale', 'noiseClip']);
    checkLimits('range.low', range?.low, action.columns);
    checkLimits('range.high', range.high, action.columns);
    const limits = [
      range.low,
      range.high,
      checkFloat32('noiseScale', checkNumber('noiseScale', range.noiseScale, 0)),
      checkFloat32('noiseClip', checkNumber('noiseClip', range.noiseClip, 0)),
    ] as const;
    if (isSource(noise)) {
      checkInteger('noise.seed', noise.seed, 0);
      checkInteger('noise.stream', noise.stream, 0);
      this.#open().smoothNormal(...actionView, noise.seed, noise.stream, ...limits);
    } else {
      this.#open().smooth(...actionView, ...checkView(this, 'noise', noise), ...limits);
    }
  }

  /**
   * TD target of clipped double Q-learning (Fujimoto et al. 2018, eq. 10):
   * target = reward + discount * min over the columns of q. The discount, [rows, 1], is gamma, 0 where
   * the task ended, and gamma^n where the reward is that of n steps.
   */
  tdTarget(
    batch: { reward: BatchView; discount: BatchView; q: BatchView },
    target: BatchView,
  ): void {
    this.#open().tdTarget(
      ...checkView(this, 'reward', batch?.reward),
      ...checkView(this, 'discount', batch.discount),
      ...checkView(this, 'q', batch.q),
      ...checkView(this, 'target', target),
    );
  }

  /** Gradient of the sum over q's columns of the mean squared error: 2 (q - target) / rows. */
  mseGradient(q: BatchView, target: BatchView, gradient: BatchView): void {
    this.#open().mseGradient(
      ...checkView(this, 'q', q),
      ...checkView(this, 'target', target),
      ...checkView(this, 'gradient', gradient),
    );
  }

  /**
   * What `tdTarget` of `nextQ` and then `mseGradient` of `q` to that target do, for a GPU as one launch.
   */
  tdGradient(
    batch: {
      reward: BatchView;
      discount: BatchView;
      nextQ: BatchView;
      q: BatchView;
    },
    target: BatchView,
    gradient: BatchView,
  ): void {
    this.#open().tdGradient(
      ...checkView(this, 'reward', batch?.reward),
      ...checkView(this, 'discount', batch.discount),
      ...checkView(this, 'nextQ', batch.nextQ),
      ...checkView(this, 'q', batch.q),
      ...checkView(this, 'target', target),
      ...checkView(this, 'gradient', gradient),
    );
  }

  /**
   * `target.polyak(source, tau)` of several pairs of networks, for a GPU as one launch.
   *
   * @throws InvalidValueError if a target is part of another pair too
   */
  polyak(pairs: readonly { target: Mlp; source: Mlp }[], tau: number): void {
    const native = this.#open();
    const networks = Mlp.nativePairs(this, pairs);
    native.polyak(checkNumber('tau', tau, 0, 1), ...networks);
  }

  /**
   * Two sequences of calls on this device that have nothing to do with each other: neither may read or
   * write what the other writes. They are made one after the other; a GPU works on both at the same
   * time, in a graph as branches of it, and what is called afterwards comes after both, also where one
   * of them throws. Results are the same, bit for bit. Within another `together` they take their turns.
   *
   * @throws InvalidValueError if one is no function; on a GPU a RunError where they run a graph or close
   *   something
   */
  together(first: () => void, second: () => void): void {
    checkFunction('first', first);
    checkFunction('second', second);
    const thrown: unknown[] = [];
    const watch = (calls: () => void) => () => {
      try {
        calls();
      } catch (error) {
        thrown.push(error);
        throw error;
      }
    };
    try {
      this.#open().together(watch(first), watch(second));
    } catch (error) {
      // What the caller's own functions throw is theirs.
      throw thrown.includes(error) ? error : nativeError(error);
    }
  }

  /**
   * Release the device and the memory of all that was made on it, which throws from then on. Closing
   * it again does nothing.
   *
   * @throws RunError within the calls of a graph that records them and, on a GPU, within `together`
   */
  close(): void {
    this.#native.close();
    this.#closed = true;
  }

  /** @throws RunError when the device was closed */
  checkOpen(): void {
    if (!this.#closed) return;
    throw new RunError('This device was closed: make a new one and load the last checkpoint');
  }

  #open(): NativeDevice {
    this.checkOpen();
    return this.#native;
  }
}
