/** Environments: the interface, the built-in MuJoCo tasks, and how to add one's own. */
export type { Environment, EnvironmentState, StepResult } from './environment.js';
export { MujocoEnvironment } from './mujoco/engine.js';
export type { TaskId, TaskOptions } from './mujoco/tasks/index.js';
export type { CameraConfig, MujocoOptions, Range } from './options.js';
export { WorkerEnvironment } from './worker-environment.js';
export type { OverlappedEnvironment } from './worker-environment.js';
export { environmentIds, makeEnv, registerEnvironment } from './registry.js';
export type { EnvironmentFactory } from './registry.js';
