/** All MuJoCo tasks. A new task is a file here, a model, and a line in each list below. */
import { ant } from './ant.js';
import type { AntOptions } from './ant.js';
import { halfCheetah } from './half-cheetah.js';
import type { HalfCheetahOptions } from './half-cheetah.js';
import { hopper } from './hopper.js';
import type { HopperOptions } from './hopper.js';
import { humanoidStandup } from './humanoid-standup.js';
import type { HumanoidStandupOptions } from './humanoid-standup.js';
import { humanoid } from './humanoid.js';
import type { HumanoidOptions } from './humanoid.js';
import { invertedDoublePendulum } from './inverted-double-pendulum.js';
import type { InvertedDoublePendulumOptions } from './inverted-double-pendulum.js';
import { invertedPendulum } from './inverted-pendulum.js';
import type { InvertedPendulumOptions } from './inverted-pendulum.js';
import { pusher } from './pusher.js';
import type { PusherOptions } from './pusher.js';
import { reacher } from './reacher.js';
import type { ReacherOptions } from './reacher.js';
import { swimmer } from './swimmer.js';
import type { SwimmerOptions } from './swimmer.js';
import { walker2d } from './walker2d.js';
import type { Walker2dOptions } from './walker2d.js';

/** The options of every task, by its name. */
export interface TaskOptions {
  'Ant-v5': AntOptions;
  'HalfCheetah-v5': HalfCheetahOptions;
  'Hopper-v5': HopperOptions;
  'Humanoid-v5': HumanoidOptions;
  'HumanoidStandup-v5': HumanoidStandupOptions;
  'InvertedDoublePendulum-v5': InvertedDoublePendulumOptions;
  'InvertedPendulum-v5': InvertedPendulumOptions;
  'Pusher-v5': PusherOptions;
  'Reacher-v5': ReacherOptions;
  'Swimmer-v5': SwimmerOptions;
  'Walker2d-v5': Walker2dOptions;
}

/** Names of the built-in tasks. */
export type TaskId = keyof TaskOptions;

/** Every task's definition. */
export const tasks = [
  ant,
  halfCheetah,
  hopper,
  humanoid,
  humanoidStandup,
  invertedDoublePendulum,
  invertedPendulum,
  pusher,
  reacher,
  swimmer,
  walker2d,
] as const;
