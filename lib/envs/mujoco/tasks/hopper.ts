/**
 * Hopper-v5: hop forward on one leg without falling.
 *
 * Observation (11): positions without the forward one (5), velocities within ±10 (6). Action (3):
 * motor commands. Reward: forward velocity plus a bonus for standing minus a control cost. An
 * episode terminates when the torso is low or tilted, or the state is out of bounds.
 */
import type { TaskDefinition } from '../engine.js';
import type { Range } from '../../options.js';
import { hopperModel } from '../models/hopper.js';
import { isInside } from '../numerics.js';
import { createPlanarWalker } from './planar-walker.js';
import type { PlanarWalkerOptions } from './planar-walker.js';

export interface HopperOptions extends PlanarWalkerOptions {
  /** Bounds, excluded, of the healthy state: every velocity, and positions from the angle on. */
  healthyStateRange: Range;
}

export const hopper: TaskDefinition<HopperOptions> = {
  id: 'Hopper-v5',
  needs: { joints: 3 },
  defaults: {
    model: hopperModel,
    frameSkip: 4,
    maxEpisodeSteps: 1000,
    defaultCameraConfig: { trackbodyid: 2, distance: 3, lookat: [0, 0, 1.15], elevation: -20 },
    forwardRewardWeight: 1,
    ctrlCostWeight: 1e-3,
    healthyReward: 1,
    terminateWhenUnhealthy: true,
    healthyStateRange: [-100, 100],
    healthyZRange: [0.7, Infinity],
    healthyAngleRange: [-0.2, 0.2],
    resetNoiseScale: 5e-3,
    excludeCurrentPositionsFromObservation: true,
  },
  create(simulation, options) {
    const { healthyStateRange, healthyZRange, healthyAngleRange } = options;
    return createPlanarWalker(simulation, options, () => {
      const { qpos, qvel } = simulation.views;
      for (let i = 2; i < qpos.length; i++)
        if (!isInside(qpos[i]!, healthyStateRange)) return false;
      for (let i = 0; i < qvel.length; i++)
        if (!isInside(qvel[i]!, healthyStateRange)) return false;
      return isInside(qpos[1]!, healthyZRange) && isInside(qpos[2]!, healthyAngleRange);
    });
  },
};
