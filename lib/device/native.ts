/**
 * The native surface, typed in this one file. Everything here is what `native/addon` defines;
 * nothing outside `lib/device` uses it. Arrays are row-major float32.
 */

/** A matrix, its first column and its number of columns travel as three arguments. */
type ViewArguments = [matrix: NativeMatrix, first: number, columns: number];

/** What a device says of itself. */
export interface NativeDeviceInfo {
  name: string;
  description: string;
  isa: string;
  threads: number;
}

/** How a GPU multiplies with a sparse layer's weights or their transpose, or computes their gradient, and why. */
export interface SparseChoice {
  /** The layer's shape. */
  outputs: number;
  inputs: number;
  /** Of the batch. */
  rows: number;
  /** Members of an ensemble that go through the layer at once. */
  members: number;
  /** "2:4" */
  pattern: string;
  precision: 'fp32' | 'tf32' | 'bf16';
  pass: 'forward' | 'data gradient' | 'weight gradient';
  /**
   * By cuSPARSELt, or by cuBLASLt with masked dense weights. Weight gradients: at active weights alone, or as
   * dense products by cuBLASLt.
   */
  chosen: 'sparse' | 'dense';
  /**
   * Microseconds of all these members' products, dense and sparse; null if nothing was measured. Those of weight
   * gradients are of both, the gradient and the data gradient that is computed beside it, but for a first layer.
   */
  denseUs: number | null;
  sparseUs: number | null;
  /** They were measured by an earlier process, or another one. */
  cached: boolean;
  /** What decided. */
  reason: string;
}

export interface NativeDevice {
  info(): NativeDeviceInfo;
  sparseChoices(): SparseChoice[];
  fill(...args: [...target: ViewArguments, value: number]): void;
  fillNormal(...args: [...target: ViewArguments, seed: number, stream: number]): void;
  normalize(...args: [...values: ViewArguments, ...statistics: ViewArguments]): void;
  smooth(
    ...args: [
      ...action: ViewArguments,
      ...noise: ViewArguments,
      low: Float32Array,
      high: Float32Array,
      noiseScale: number,
      noiseClip: number,
    ]
  ): void;
  smoothNormal(
    ...args: [
      ...action: ViewArguments,
      seed: number,
      stream: number,
      low: Float32Array,
      high: Float32Array,
      noiseScale: number,
      noiseClip: number,
    ]
  ): void;
  tdTarget(
    ...args: [
      ...reward: ViewArguments,
      ...discount: ViewArguments,
      ...q: ViewArguments,
      ...target: ViewArguments,
    ]
  ): void;
  mseGradient(
    ...args: [...q: ViewArguments, ...target: ViewArguments, ...gradient: ViewArguments]
  ): void;
  tdGradient(
    ...args: [
      ...reward: ViewArguments,
      ...discount: ViewArguments,
      ...nextQ: ViewArguments,
      ...q: ViewArguments,
      ...target: ViewArguments,
      ...gradient: ViewArguments,
    ]
  ): void;
  /** Targets and their sources in turn. */
  polyak(tau: number, ...pairs: NativeNetwork[]): void;
  together(first: () => void, second: () => void): void;
  /** Releases what was made on it too. */
  close(): void;
}

export interface NativeMatrix {
  upload(source: Float32Array, first: number, columns: number): void;
  download(target: Float32Array, first: number, columns: number): void;
  release(): void;
}

export interface NativeNetworkSpec {
  sizes: number[];
  /** n and m of each layer in turn; 0, 0 for a dense one. */
  patterns: number[];
  maskShape: string;
  members: number;
  rule: string;
  srLambda: number;
  densityPower: number;
  initialScale: string;
  newMoment: string;
  low: Float32Array;
  high: Float32Array;
  role: string;
  seed: number;
  stream: number;
}

export interface NativeNetwork {
  forward(
    ...args: [
      ...input: ViewArguments,
      ...output: ViewArguments,
      firstMember: number,
      members: number,
      keep: boolean,
    ]
  ): void;
  backward(
    ...args: [
      ...outputGradient: ViewArguments,
      firstMember: number,
      members: number,
      weightGradient: boolean,
      dormantGradient: boolean,
    ]
  ): void;
  backward(
    ...args: [
      ...outputGradient: ViewArguments,
      firstMember: number,
      members: number,
      weightGradient: boolean,
      dormantGradient: boolean,
      ...inputGradient: ViewArguments,
      inputFirst: number,
    ]
  ): void;
  adam(learningRate: number, beta1: number, beta2: number, epsilon: number): void;
  polyak(source: NativeNetwork, tau: number): void;
  copyFrom(source: NativeNetwork): void;
  updateMasks(rule: string, dropFraction: number, seed: number, stream: number): number;
  scaleDormant(factor: number): void;
  followMasks(source: NativeNetwork): number;
  divergence(other: NativeNetwork, member: number): number;
  largestWeight(member: number): number;
  largestMoment(): number;
  idleUnits(member: number): number;
  read(member: number, layer: number, part: number, target: Float32Array): void;
  write(member: number, layer: number, part: number, source: Float32Array): void;
  adamSteps(): number;
  setAdamSteps(steps: number): void;
  bytes(): number;
  release(): void;
}

export interface NativeReplay {
  add(row: Float32Array): void;
  sample(
    ...args: [
      seed: number,
      draw: number,
      ...observation: ViewArguments,
      ...action: ViewArguments,
      ...reward: ViewArguments,
      ...nextObservation: ViewArguments,
      ...discount: ViewArguments,
    ]
  ): void;
  read(first: number, count: number, target: Float32Array): void;
  size(): number;
  release(): void;
}

/** A recording of calls; `Graph` says in which order its methods are called. */
export interface NativeGraph {
  supported(): boolean;
  beginCapture(): void;
  endCapture(): void;
  cancel(): void;
  current(): boolean;
  nodes(): number;
  beginRefresh(): void;
  launch(): void;
  release(): void;
}

/** What CUDA finds on this machine. */
export interface CudaReport {
  /** "usable", or what is missing. */
  status:
    | 'usable'
    | 'no-driver'
    | 'old-driver'
    | 'no-gpu'
    | 'no-sparse-cores'
    | 'no-library'
    | 'old-library'
    | 'failed';
  /** The GPU, one line. */
  description: string;
  /** What is missing and what helps; empty if usable. */
  problem: string;
  /** Libraries that were looked for, with what is wrong with those that cannot be used. */
  libraries: { name: string; version: string; path: string; problem: string }[];
  /** As what tensor cores take common patterns under each precision, or "" for masked dense weights. */
  patterns: { pattern: string; bf16: string; tf32: string; fp32: string }[];
}

export interface NativeNmMatrix {
  values(): Float32Array;
  columns(): Uint16Array;
  transposed(): { start: Uint32Array; rows: Uint16Array; slots: Uint32Array };
  materialize(): Float32Array;
  stored(): Float32Array;
  assign(weights: Float32Array): void;
  updateMask(): number;
  divergence(other: NativeNmMatrix): number;
  bytes(): number;
}

/** One matrix product of cuSPARSELt or cuBLASLt; `lib/cusparselt` says what the keys mean. */
export interface NativeMatmulSpec {
  m: number;
  n: number;
  k: number;
  type: string;
  /** "a", "b" or "none" */
  sparse: string;
  transposeA: boolean;
  transposeB: boolean;
  rowMajorA: boolean;
  rowMajorB: boolean;
  rowMajorD: boolean;
  bias: boolean;
  activation: string;
  alpha: number;
  beta: number;
}

export type NativeMatmulOperand = 'a' | 'b' | 'c' | 'bias' | 'd';

export interface NativeMatmul {
  write(operand: NativeMatmulOperand, values: Float32Array): void;
  read(operand: NativeMatmulOperand, target: Float32Array): void;
  prune(how: string): void;
  pruned(): boolean;
  compress(): void;
  search(): void;
  run(): void;
  /** Microseconds of one product, once for each repetition. */
  time(repetitions: number, launches: number): Float64Array;
  info(): {
    library: string;
    algorithm: number;
    algorithms: number;
    workspaceBytes: number;
    compressedBytes: number;
  };
  release(): void;
}

/** What a processor can do at best, measured. */
export interface NativeMachinePeak {
  /** float32 multiply-adds per second, counted as two operations each. */
  flops: number;
  /** Bytes read per second from buffers that fit the L2 caches. */
  l2BytesPerSecond: number;
}

/** A library with a matrix product, found at run time. */
export interface NativeBlasPeer {
  name(): string;
  /** C[m, n] = op(A) op(B), `count` times. */
  run(
    m: number,
    n: number,
    k: number,
    transposeA: boolean,
    transposeB: boolean,
    threads: number,
    count: number,
  ): void;
}

/** What the addon exports. */
export interface NativeAddon {
  Device: new (
    name: string,
    threads: number,
    isa: string,
    precision: string,
    sparse: string,
    dataGradient: string,
    weightGradient: string,
    cacheFolder: string,
  ) => NativeDevice;
  Matrix: new (device: NativeDevice, rows: number, columns: number) => NativeMatrix;
  Network: new (device: NativeDevice, spec: NativeNetworkSpec) => NativeNetwork;
  Replay: new (
    device: NativeDevice,
    capacity: number,
    observations: number,
    actions: number,
  ) => NativeReplay;
  Graph: new (device: NativeDevice) => NativeGraph;
  NmMatrix: new (
    weights: Float32Array,
    outputs: number,
    inputs: number,
    n: number,
    m: number,
    maskShape: string,
  ) => NativeNmMatrix;
  Matmul: new (device: string, spec: NativeMatmulSpec) => NativeMatmul;
  BlasPeer: new (library: string, names: readonly string[]) => NativeBlasPeer;
  machinePeak(isa: string, threads: number, seconds: number): NativeMachinePeak;
  availableIsas(): string[];
  /** @throws when this build has no CUDA plugin */
  cudaReport(emulated: boolean): CudaReport;
}
