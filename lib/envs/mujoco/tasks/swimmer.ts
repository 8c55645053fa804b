/**
 * Swimmer-v5: swim forward by bending two joints.
 *
 * Observation (8): angles (3) and velocities (5). Action (2): motor commands. Reward: velocity along
 * x minus a control cost. Episodes only end by truncation.
 */
import type { TaskDefinition } from '../engine.js';
import type { MujocoOptions } from '../../options.js';
import { swimmerModel } from '../models/swimmer.js';
import { addUniform, controlCost32, stateVector } from '../numerics.js';

export interface SwimmerOptions extends MujocoOptions {
  /** Weight of the forward velocity in the reward. */
  forwardRewardWeight: number;
  /** Weight of the squared action in the cost. */
  ctrlCostWeight: number;
  /** Positions and velocities start within this of their initial values. */
  resetNoiseScale: number;
  /** Leave the position in the plane out of the observation. */
  excludeCurrentPositionsFromObservation: boolean;
}

export const swimmer: TaskDefinition<SwimmerOptions> = {
  id: 'Swimmer-v5',
  needs: { joints: 2 },
  defaults: {
    model: swimmerModel,
    frameSkip: 4,
    maxEpisodeSteps: 1000,
    defaultCameraConfig: null,
    forwardRewardWeight: 1,
    ctrlCostWeight: 1e-4,
    resetNoiseScale: 0.1,
    excludeCurrentPositionsFromObservation: true,
  },
  create(simulation, options) {
    const skipped = options.excludeCurrentPositionsFromObservation ? 2 : 0;
    const dt = simulation.timestep * options.frameSkip;
    return {
      drawState(random, qpos, qvel) {
        addUniform(qpos, random, options.resetNoiseScale);
        addUniform(qvel, random, options.resetNoiseScale);
      },
      observe: () => stateVector(simulation.views, skipped),
      advance(action) {
        const xBefore = simulation.views.qpos[0]!;
        const yBefore = simulation.views.qpos[1]!;
        simulation.advance(action, options.frameSkip);
        const { qpos } = simulation.views;
        const x = qpos[0]!;
        const y = qpos[1]!;
        const xVelocity = (x - xBefore) / dt;
        const forward = options.forwardRewardWeight * xVelocity;
        const control = controlCost32(options.ctrlCostWeight, action);
        const info = {
          x_position: x,
          y_position: y,
          distance_from_origin: Math.hypot(x, y),
          x_velocity: xVelocity,
          y_velocity: (y - yBefore) / dt,
          reward_forward: forward,
          reward_ctrl: -control,
        };
        return { reward: forward - control, terminated: false, info };
      },
    };
  },
};
