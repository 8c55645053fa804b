/**
 * InvertedPendulum-v5: balance a pole on a cart.
 *
 * Observation (4): positions and velocities of cart and pole. Action (1): force on the cart. Reward:
 * 1 for every step that does not end the episode, which terminates when the pole leans by more than
 * 0.2 radians.
 */
import type { TaskDefinition } from '../engine.js';
import type { MujocoOptions } from '../../options.js';
import { invertedPendulumModel } from '../models/inverted-pendulum.js';
import { addUniform, stateVector } from '../numerics.js';

export interface InvertedPendulumOptions extends MujocoOptions {
  /** Positions and velocities start within this of their initial values. */
  resetNoiseScale: number;
}

export const invertedPendulum: TaskDefinition<InvertedPendulumOptions> = {
  id: 'InvertedPendulum-v5',
  needs: { joints: 2 },
  defaults: {
    model: invertedPendulumModel,
    frameSkip: 2,
    maxEpisodeSteps: 1000,
    defaultCameraConfig: { trackbodyid: 0, distance: 2.04 },
    resetNoiseScale: 0.01,
  },
  create(simulation, options) {
    return {
      drawState(random, qpos, qvel) {
        addUniform(qpos, random, options.resetNoiseScale);
        addUniform(qvel, random, options.resetNoiseScale);
      },
      observe: () => stateVector(simulation.views),
      advance(action) {
        simulation.advance(action, options.frameSkip);
        const { qpos, qvel } = simulation.views;
        const finite = qpos.every(Number.isFinite) && qvel.every(Number.isFinite);
        const terminated = !finite || Math.abs(qpos[1]!) > 0.2;
        const reward = terminated ? 0 : 1;
        return { reward, terminated, info: { reward_survive: reward } };
      },
    };
  },
};
