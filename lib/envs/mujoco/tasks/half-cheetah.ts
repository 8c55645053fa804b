/**
 * HalfCheetah-v5: run forward as fast as possible.
 *
 * Observation (17): positions without the forward one (8), velocities (9). Action (6): motor
 * commands. Reward: forward velocity minus a control cost. Episodes only end by truncation.
 */
import type { TaskDefinition } from '../engine.js';
import type { MujocoOptions } from '../../options.js';
import { halfCheetahModel } from '../models/half-cheetah.js';
import { addNormal, addUniform, controlCost32, stateVector } from '../numerics.js';

export interface HalfCheetahOptions extends MujocoOptions {
  /** Weight of the forward velocity in the reward. */
  forwardRewardWeight: number;
  /** Weight of the squared action in the cost. */
  ctrlCostWeight: number;
  /** Positions start within this of their initial values; velocities deviate by it. */
  resetNoiseScale: number;
  /** Leave the forward position out of the observation. */
  excludeCurrentPositionsFromObservation: boolean;
}

export const halfCheetah: TaskDefinition<HalfCheetahOptions> = {
  id: 'HalfCheetah-v5',
  needs: { joints: 1 },
  defaults: {
    model: halfCheetahModel,
    frameSkip: 5,
    maxEpisodeSteps: 1000,
    defaultCameraConfig: { distance: 4 },
    forwardRewardWeight: 1,
    ctrlCostWeight: 0.1,
    resetNoiseScale: 0.1,
    excludeCurrentPositionsFromObservation: true,
  },
  create(simulation, options) {
    const { frameSkip, forwardRewardWeight, ctrlCostWeight, resetNoiseScale } = options;
    const skipped = options.excludeCurrentPositionsFromObservation ? 1 : 0;
    const dt = simulation.timestep * frameSkip;
    return {
      drawState(random, qpos, qvel) {
        addUniform(qpos, random, resetNoiseScale);
        addNormal(qvel, random, resetNoiseScale);
      },
      observe: () => stateVector(simulation.views, skipped),
      advance(action) {
        const before = simulation.views.qpos[0]!;
        simulation.advance(action, frameSkip);
        const position = simulation.views.qpos[0]!;
        const velocity = (position - before) / dt;
        const forward = forwardRewardWeight * velocity;
        const control = controlCost32(ctrlCostWeight, action);
        const info = {
          x_position: position,
          x_velocity: velocity,
          reward_forward: forward,
          reward_ctrl: -control,
        };
        return { reward: forward - control, terminated: false, info };
      },
    };
  },
};
