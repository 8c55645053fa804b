export { BatchMatrix } from './batch-matrix.js';
export type { BatchView } from './batch-matrix.js';
export { availableIsas, cudaReport, Device, deviceNames, precisions } from './device.js';
export type {
  DataGradient,
  DeviceName,
  DeviceOptions,
  NormalSource,
  Precision,
  SparseUse,
  WeightGradient,
} from './device.js';
export { Graph } from './graph.js';
export { Kernels, Linear } from './kernels.js';
export type { LinearOptions } from './kernels.js';
export { loadAddon } from './loader.js';
export type { MaskShape } from './mask-shape.js';
export type { CudaReport, NativeMatmul, NativeMatmulOperand, SparseChoice } from './native.js';
export { Mlp } from './mlp.js';
export type {
  AdamOptions,
  GradientRule,
  InitialScale,
  LayerPart,
  MaskRule,
  MaskUpdateOptions,
  MemberRange,
  MlpOptions,
  NewMoment,
} from './mlp.js';
export { NmMatrix } from './nm-matrix.js';
export type { TransposedIndex } from './nm-matrix.js';
export { Replay } from './replay.js';
export type { BatchViews, ReplayOptions, ReplayTransition } from './replay.js';
