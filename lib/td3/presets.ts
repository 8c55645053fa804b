/**
 * Settings for tasks: hyperparameters, where they differ from the defaults, under which dense TD3 learns a task,
 * and what the paper means by its networks. Only data; `rnm-td3 train --preset` takes them.
 */
import type { HyperparameterOptions } from './config.js';

/** What `--preset` may be. */
export const presetNames = ['task', 'none', 'paper'] as const;
export type PresetName = (typeof presetNames)[number];

/** Hyperparameters, and why these. */
export interface Preset {
  options: HyperparameterOptions;
  /** Where the values come from. */
  source: string;
}

/**
 * RNM-TD3 as its paper defines it (arXiv 2602.14578): every layer of all six networks N:M sparse, one learning
 * rate, masks by magnitude, targets that project their own, and TD3's one-step targets.
 */
const paper: Preset = {
  options: {
    sparseLayers: 'all',
    densityPower: 0,
    initialScale: 'dense',
    gradientRule: 'masked',
    maskShape: 'row',
    maskRule: 'magnitude',
    dormantDecay: 1,
    newMoment: 'zero',
    learningRate: 3e-4,
  },
  source: 'The definition in arXiv 2602.14578, with the learning rate of TD3 today',
};

/** By the name of the task. */
const tasks: Readonly<Record<string, Preset>> = {
  'Hopper-v5': {
    options: {
      hiddenSizes: [400, 300],
      batchSize: 100,
      learningRate: 1e-3,
      learningStarts: 1000,
    },
    source:
      'Fujimoto et al. 2018, where the defaults differ today; dense networks returned 1,216, 2,650 and ' +
      '2,558 after 200,000 steps in three builds (seed 0), with the defaults 200 to 350',
  },
  'Walker2d-v5': {
    options: { nSteps: 3, learningRate: 1e-3 },
    source:
      'Dense networks returned 4,244 after 200,000 steps (seed 0; last five evaluations 3,985), at the ' +
      'rate 3e-4 4,030 (3,263)',
  },
};

/**
 * The preset for a task.
 *
 * @param name task: the task's own, if it has one; paper: the paper's networks, for any task; none: nothing
 * @param env the task's name, such as "Hopper-v5"
 * @returns undefined if there is none: the defaults hold
 */
export function findPreset(name: PresetName, env: string): Preset | undefined {
  if (name === 'none') return undefined;
  return name === 'paper' ? paper : Object.hasOwn(tasks, env) ? tasks[env] : undefined;
}

/** All presets: those of tasks by the task's name, and the paper's. */
export function listPresets(): { name: string; preset: Preset }[] {
  const ofTasks = Object.entries(tasks).map(([name, preset]) => ({ name, preset }));
  return [...ofTasks, { name: 'paper', preset: paper }];
}
