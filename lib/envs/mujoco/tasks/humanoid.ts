/**
 * Humanoid-v5: walk along x on two legs without falling.
 *
 * Observation (348): see humanoid-observation.ts. Action (17): motor commands within ±0.4. Reward:
 * forward velocity of the centre of mass plus a bonus for standing minus costs of control and
 * contact. An episode terminates when the torso is too low or too high.
 */
import type { TaskDefinition } from '../engine.js';
import type { Range } from '../../options.js';
import { humanoidModel } from '../models/humanoid.js';
import { addUniform, clip, isInside, sumOfSquares } from '../numerics.js';
import type { Simulation } from '../simulation.js';
import { humanoidObserver, observationDefaults } from './humanoid-observation.js';
import type { HumanoidObservationOptions } from './humanoid-observation.js';

export interface HumanoidOptions extends HumanoidObservationOptions {
  /** Weight of the forward velocity in the reward. */
  forwardRewardWeight: number;
  /** Weight of the squared action in the cost. */
  ctrlCostWeight: number;
  /** Weight of the squared contact forces in the cost. */
  contactCostWeight: number;
  /** The weighted contact cost is clipped to this range. */
  contactCostRange: Range;
  /** Reward of every healthy step. */
  healthyReward: number;
  /** End the episode when the humanoid is unhealthy. */
  terminateWhenUnhealthy: boolean;
  /** Heights of the torso between which the humanoid is healthy, ends excluded. */
  healthyZRange: Range;
  /** Positions and velocities start within this of their initial values. */
  resetNoiseScale: number;
}

/** Coordinate `axis` of the centre of mass, from body positions that lag by one physics step. */
function centreOfMass({ views, bodyMass }: Simulation, axis: number): number {
  const { xipos } = views;
  let moment = 0;
  let mass = 0;
  for (let body = 0; body < bodyMass.length; body++) {
    moment += bodyMass[body]! * xipos[3 * body + axis]!;
    mass += bodyMass[body]!;
  }
  return moment / mass;
}

export const humanoid: TaskDefinition<HumanoidOptions> = {
  id: 'Humanoid-v5',
  needs: { joints: 'free' },
  defaults: {
    model: humanoidModel,
    frameSkip: 5,
    maxEpisodeSteps: 1000,
    defaultCameraConfig: { trackbodyid: 1, distance: 4, lookat: [0, 0, 2], elevation: -20 },
    forwardRewardWeight: 1.25,
    ctrlCostWeight: 0.1,
    contactCostWeight: 5e-7,
    contactCostRange: [-Infinity, 10],
    healthyReward: 5,
    terminateWhenUnhealthy: true,
    healthyZRange: [1, 2],
    resetNoiseScale: 1e-2,
    ...observationDefaults,
  },
  create(simulation, options) {
    const { frameSkip } = options;
    const dt = simulation.timestep * frameSkip;
    return {
      drawState(random, qpos, qvel) {
        addUniform(qpos, random, options.resetNoiseScale);
        addUniform(qvel, random, options.resetNoiseScale);
      },
      observe: humanoidObserver(simulation, options),
      advance(action) {
        const xBefore = centreOfMass(simulation, 0);
        const yBefore = centreOfMass(simulation, 1);
        simulation.advance(action, frameSkip);
        simulation.computeContactForces();
        const { qpos, ctrl, cfrcExt } = simulation.views;
        const xVelocity = (centreOfMass(simulation, 0) - xBefore) / dt;
        const healthy = isInside(qpos[2]!, options.healthyZRange);
        const forward = options.forwardRewardWeight * xVelocity;
        const survive = healthy ? options.healthyReward : 0;
        const control = options.ctrlCostWeight * sumOfSquares(ctrl);
        const impact = options.contactCostWeight * sumOfSquares(cfrcExt);
        const contact = clip(impact, options.contactCostRange);
        const info = {
          x_position: qpos[0]!,
          y_position: qpos[1]!,
          distance_from_origin: Math.hypot(qpos[0]!, qpos[1]!),
          x_velocity: xVelocity,
          y_velocity: (centreOfMass(simulation, 1) - yBefore) / dt,
          reward_survive: survive,
          reward_forward: forward,
          reward_ctrl: -control,
          reward_contact: -contact,
        };
        const terminated = !healthy && options.terminateWhenUnhealthy;
        return { reward: forward + survive - (control + contact), terminated, info };
      },
    };
  },
};
