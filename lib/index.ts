/** rnm-td3: TD3 on row-wise N:M sparse networks. */
export * from './device/index.js';
export * from './envs/index.js';
export { InvalidValueError, RunError } from './errors.js';
export { Random, randomStreams } from './random.js';
export type { RandomState } from './random.js';
export { Td3Agent } from './td3/agent.js';
export type { ExportedLayer, Transition } from './td3/agent.js';
export type { TransitionBatch } from './td3/batch-buffers.js';
export { resolveConfig } from './td3/config.js';
export type { HyperparameterOptions, Td3Config, Td3Options } from './td3/config.js';
export type { Td3Networks } from './td3/networks.js';
export type { ObservationStatistics } from './td3/observation-statistics.js';
export { compileSchedule } from './td3/schedule.js';
export type { Schedule } from './td3/schedule.js';
export { defaultReferenceFiles, verifyReference } from './td3/verify.js';
export type { Verification } from './td3/verify.js';
export * from './train/index.js';
