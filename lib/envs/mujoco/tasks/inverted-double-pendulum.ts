/**
 * InvertedDoublePendulum-v5: balance two poles on a cart.
 *
 * Observation (9): cart position, sines and cosines of both angles, velocities and the force of the
 * rail's end stops, the last four within ±10. Action (1): force on the cart. Reward: a bonus per
 * step minus penalties for the tip's distance from its highest point and for turning. An episode
 * terminates when the tip sinks to 1 m or below.
 */
import type { TaskDefinition } from '../engine.js';
import type { MujocoOptions, Range } from '../../options.js';
import { invertedDoublePendulumModel } from '../models/inverted-double-pendulum.js';
import { addNormal, addUniform, clip } from '../numerics.js';

export interface InvertedDoublePendulumOptions extends MujocoOptions {
  /** Reward of every step that does not end the episode. */
  healthyReward: number;
  /** Positions start within this of their initial values; velocities deviate by it. */
  resetNoiseScale: number;
}

/** Velocities and the constraint force are shown within these bounds. */
const shownRange: Range = [-10, 10];

export const invertedDoublePendulum: TaskDefinition<InvertedDoublePendulumOptions> = {
  id: 'InvertedDoublePendulum-v5',
  needs: { joints: 3, sites: 1 },
  defaults: {
    model: invertedDoublePendulumModel,
    frameSkip: 5,
    maxEpisodeSteps: 1000,
    defaultCameraConfig: null,
    healthyReward: 10,
    resetNoiseScale: 0.1,
  },
  create(simulation, options) {
    return {
      drawState(random, qpos, qvel) {
        addUniform(qpos, random, options.resetNoiseScale);
        addNormal(qvel, random, options.resetNoiseScale);
      },
      observe() {
        const { qpos, qvel, qfrcConstraint } = simulation.views;
        const angles = qpos.subarray(1);
        return Float64Array.of(
          qpos[0]!,
          ...angles.map(Math.sin),
          ...angles.map(Math.cos),
          ...qvel.map((velocity) => clip(velocity, shownRange)),
          clip(qfrcConstraint[0]!, shownRange),
        );
      },
      advance(action) {
        simulation.advance(action, options.frameSkip);
        const { qvel, siteXpos } = simulation.views;
        const x = siteXpos[0]!;
        const height = siteXpos[2]!;
        const terminated = height <= 1;
        const distancePenalty = 0.01 * x ** 2 + (height - 2) ** 2;
        const velocityPenalty = 1e-3 * qvel[1]! ** 2 + 5e-3 * qvel[2]! ** 2;
        const survive = terminated ? 0 : options.healthyReward;
        const info = {
          reward_survive: survive,
          distance_penalty: -distancePenalty,
          velocity_penalty: -velocityPenalty,
        };
        return { reward: survive - distancePenalty - velocityPenalty, terminated, info };
      },
    };
  },
};
