/** Training: the loop, evaluation, run folders, and the file formats that come out. */
export { readJsonLines, writeFileAtomic } from './atomic-file.js';
export { decodeCheckpoint, encodeCheckpoint, readCheckpointFile } from './checkpoint.js';
export type { Checkpoint } from './checkpoint.js';
export { evaluate } from './evaluate.js';
export type { EvaluateOptions, Evaluation } from './evaluate.js';
export { encodeOnnxPolicy } from './formats/onnx.js';
export { decodeSafetensors, encodeSafetensors } from './formats/safetensors.js';
export type { SafeTensor, SafeTensorFile, SafeTensorType } from './formats/safetensors.js';
export { TensorBoardWriter } from './formats/tensorboard.js';
export { renderLearningCurve } from './learning-curve.js';
export type { CurvePoint, CurveSeries, LearningCurveOptions } from './learning-curve.js';
export { train } from './loop.js';
export type { MetricRecord, MetricWriter } from './metrics.js';
export { packageVersion } from './package-version.js';
export { encodePolicy, evaluationOrigin, policyMetadata } from './policy.js';
export type { PolicyOrigin } from './policy.js';
export { resumableOptions } from './resume.js';
export { RunFolder } from './run-folder.js';
export type { FoundCheckpoint, RunName } from './run-folder.js';
export type {
  EvaluationRecord,
  TrainOptions,
  TrainProgress,
  TrainResult,
} from './train-options.js';
export type {
  AgentState,
  ObservedTransition,
  PolicyLayer,
  PolicyNetwork,
  ReplayRows,
  StateOptions,
  TrainableAgent,
} from './trainable.js';
