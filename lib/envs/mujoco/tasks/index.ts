/** All MuJoCo tasks. A new task is a file here, a model, and a line in each list below. */
import { halfCheetah } from './half-cheetah.js';
import type { HalfCheetahOptions } from './half-cheetah.js';

/** The options of every task, by its name. */
export interface TaskOptions {
  'HalfCheetah-v5': HalfCheetahOptions;
}

/** Names of the built-in tasks. */
export type TaskId = keyof TaskOptions;

/** Every task's definition. */
export const tasks = [halfCheetah] as const;
