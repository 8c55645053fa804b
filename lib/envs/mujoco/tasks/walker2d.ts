/**
 * Walker2d-v5: walk forward on two legs without falling.
 *
 * Observation (17): positions without the forward one (8), velocities within ±10 (9). Action (6):
 * motor commands. Reward: forward velocity plus a bonus for standing minus a control cost. An
 * episode terminates when the torso is low, high or tilted.
 */
import type { TaskDefinition } from '../engine.js';
import { walker2dModel } from '../models/walker2d.js';
import { isInside } from '../numerics.js';
import { createPlanarWalker } from './planar-walker.js';
import type { PlanarWalkerOptions } from './planar-walker.js';

export type Walker2dOptions = PlanarWalkerOptions;

export const walker2d: TaskDefinition<Walker2dOptions> = {
  id: 'Walker2d-v5',
  needs: { joints: 3 },
  defaults: {
    model: walker2dModel,
    frameSkip: 4,
    maxEpisodeSteps: 1000,
    defaultCameraConfig: { trackbodyid: 2, distance: 4, lookat: [0, 0, 1.15], elevation: -20 },
    forwardRewardWeight: 1,
    ctrlCostWeight: 1e-3,
    healthyReward: 1,
    terminateWhenUnhealthy: true,
    healthyZRange: [0.8, 2],
    healthyAngleRange: [-1, 1],
    resetNoiseScale: 5e-3,
    excludeCurrentPositionsFromObservation: true,
  },
  create(simulation, options) {
    const { healthyZRange, healthyAngleRange } = options;
    return createPlanarWalker(simulation, options, () => {
      const { qpos } = simulation.views;
      return isInside(qpos[1]!, healthyZRange) && isInside(qpos[2]!, healthyAngleRange);
    });
  },
};
