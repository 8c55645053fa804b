/**
 * Ant-v5: walk along x on four legs.
 *
 * Observation (105): positions without the two in the plane (13), velocities (14), contact forces on
 * the 13 bodies, clipped (78). Action (8): motor commands. Reward: forward velocity plus a bonus for
 * being upright minus costs of control and contact. An episode terminates when the torso is too low
 * or too high.
 */
import type { TaskDefinition } from '../engine.js';
import type { MujocoOptions, Range } from '../../options.js';
import { antModel } from '../models/ant.js';
import { addNormal, addUniform, clip, controlCost32 } from '../numerics.js';

export interface AntOptions extends MujocoOptions {
  /** Weight of the forward velocity in the reward. */
  forwardRewardWeight: number;
  /** Weight of the squared action in the cost. */
  ctrlCostWeight: number;
  /** Weight of the squared, clipped contact forces in the cost. */
  contactCostWeight: number;
  /** Reward of every healthy step. */
  healthyReward: number;
  /** The body whose velocity counts: its name or its number. */
  mainBody: string | number;
  /** End the episode when the ant is unhealthy. */
  terminateWhenUnhealthy: boolean;
  /** Heights of the torso at which the ant is healthy, ends included. */
  healthyZRange: Range;
  /** Contact forces are clipped to this range. */
  contactForceRange: Range;
  /** Positions start within this of their initial values; velocities deviate by it. */
  resetNoiseScale: number;
  /** Leave the position in the plane out of the observation. */
  excludeCurrentPositionsFromObservation: boolean;
  /** Show contact forces in the observation. */
  includeCfrcExtInObservation: boolean;
}

export const ant: TaskDefinition<AntOptions> = {
  id: 'Ant-v5',
  needs: { joints: 'free' },
  defaults: {
    model: antModel,
    frameSkip: 5,
    maxEpisodeSteps: 1000,
    defaultCameraConfig: { distance: 4 },
    forwardRewardWeight: 1,
    ctrlCostWeight: 0.5,
    contactCostWeight: 5e-4,
    healthyReward: 1,
    mainBody: 1,
    terminateWhenUnhealthy: true,
    healthyZRange: [0.2, 1],
    contactForceRange: [-1, 1],
    resetNoiseScale: 0.1,
    excludeCurrentPositionsFromObservation: true,
    includeCfrcExtInObservation: true,
  },
  create(simulation, options) {
    const { frameSkip, contactForceRange, healthyZRange } = options;
    const skipped = options.excludeCurrentPositionsFromObservation ? 2 : 0;
    const dt = simulation.timestep * frameSkip;
    const mainX = 3 * simulation.body(options.mainBody, 'mainBody');
    const mainY = mainX + 1;

    /** Weighted sum of the squared, clipped contact forces on all bodies. */
    function contactCost(): number {
      const { cfrcExt } = simulation.views;
      let sum = 0;
      for (let i = 0; i < cfrcExt.length; i++) sum += clip(cfrcExt[i]!, contactForceRange) ** 2;
      return options.contactCostWeight * sum;
    }

    function isHealthy(): boolean {
      const { qpos, qvel } = simulation.views;
      const [low, high] = healthyZRange;
      if (!(low <= qpos[2]! && qpos[2]! <= high)) return false;
      return qpos.every(Number.isFinite) && qvel.every(Number.isFinite);
    }

    return {
      drawState(random, qpos, qvel) {
        addUniform(qpos, random, options.resetNoiseScale);
        addNormal(qvel, random, options.resetNoiseScale);
      },
      observe() {
        const { qpos, qvel, cfrcExt } = simulation.views;
        // The first six contact forces are the world's.
        const forces = options.includeCfrcExtInObservation ? cfrcExt.length - 6 : 0;
        const start = qpos.length - skipped + qvel.length;
        const observation = new Float64Array(start + forces);
        observation.set(qpos.subarray(skipped));
        observation.set(qvel, qpos.length - skipped);
        for (let i = 0; i < forces; i++) {
          observation[start + i] = clip(cfrcExt[6 + i]!, contactForceRange);
        }
        return observation;
      },
      advance(action) {
        // Both velocities come from body positions that lag the state by one physics step.
        const xBefore = simulation.views.xpos[mainX]!;
        const yBefore = simulation.views.xpos[mainY]!;
        simulation.advance(action, frameSkip);
        simulation.computeContactForces();
        const { qpos, xpos } = simulation.views;
        const xVelocity = (xpos[mainX]! - xBefore) / dt;
        const healthy = isHealthy();
        const forward = options.forwardRewardWeight * xVelocity;
        const survive = healthy ? options.healthyReward : 0;
        const control = controlCost32(options.ctrlCostWeight, action);
        const contact = contactCost();
        const info = {
          x_position: qpos[0]!,
          y_position: qpos[1]!,
          distance_from_origin: Math.hypot(qpos[0]!, qpos[1]!),
          x_velocity: xVelocity,
          y_velocity: (xpos[mainY]! - yBefore) / dt,
          reward_forward: forward,
          reward_ctrl: -control,
          reward_contact: -contact,
          reward_survive: survive,
        };
        const terminated = !healthy && options.terminateWhenUnhealthy;
        return { reward: forward + survive - (control + contact), terminated, info };
      },
    };
  },
};
