/**
 * HumanoidStandup-v5: get up from lying on the back.
 *
 * Observation (348): see humanoid-observation.ts. Action (17): motor commands within ±0.4. Reward:
 * height of the torso over the physics timestep, minus costs of control and impact, plus 1. Episodes
 * only end by truncation.
 */
import type { TaskDefinition } from '../engine.js';
import type { Range } from '../../options.js';
import { humanoidStandupModel } from '../models/humanoid.js';
import { addUniform, clip, sumOfSquares } from '../numerics.js';
import { humanoidObserver, observationDefaults } from './humanoid-observation.js';
import type { HumanoidObservationOptions } from './humanoid-observation.js';

export interface HumanoidStandupOptions extends HumanoidObservationOptions {
  /** Weight of the height in the reward. */
  uphCostWeight: number;
  /** Weight of the squared action in the cost. */
  ctrlCostWeight: number;
  /** Weight of the squared contact forces in the cost. */
  impactCostWeight: number;
  /** The weighted impact cost is clipped to this range. */
  impactCostRange: Range;
  /** Positions and velocities start within this of their initial values. */
  resetNoiseScale: number;
}

export const humanoidStandup: TaskDefinition<HumanoidStandupOptions> = {
  id: 'HumanoidStandup-v5',
  needs: { joints: 'free' },
  defaults: {
    model: humanoidStandupModel,
    frameSkip: 5,
    maxEpisodeSteps: 1000,
    defaultCameraConfig: { trackbodyid: 1, distance: 4, lookat: [0, 0, 0.8925], elevation: -20 },
    uphCostWeight: 1,
    ctrlCostWeight: 0.1,
    impactCostWeight: 5e-7,
    impactCostRange: [-Infinity, 10],
    resetNoiseScale: 1e-2,
    ...observationDefaults,
  },
  create(simulation, options) {
    const initialHeight = simulation.initialQpos[2]!;
    return {
      drawState(random, qpos, qvel) {
        addUniform(qpos, random, options.resetNoiseScale);
        addUniform(qvel, random, options.resetNoiseScale);
      },
      observe: humanoidObserver(simulation, options),
      advance(action) {
        simulation.advance(action, options.frameSkip);
        simulation.computeContactForces();
        const { qpos, ctrl, cfrcExt } = simulation.views;
        const rise = options.uphCostWeight * (qpos[2]! / simulation.timestep);
        const control = options.ctrlCostWeight * sumOfSquares(ctrl);
        const impact = clip(
          options.impactCostWeight * sumOfSquares(cfrcExt),
          options.impactCostRange,
        );
        const info = {
          x_position: qpos[0]!,
          y_position: qpos[1]!,
          z_distance_from_origin: qpos[2]! - initialHeight,
          reward_linup: rise,
          reward_quadctrl: -control,
          reward_impact: -impact,
        };
        return { reward: rise - control - impact + 1, terminated: false, info };
      },
    };
  },
};
