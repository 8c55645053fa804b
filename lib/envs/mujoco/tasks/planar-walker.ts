/** What Hopper-v5 and Walker2d-v5 have in common: to walk forward in a plane without falling. */
import type { Task } from '../engine.js';
import type { Simulation } from '../simulation.js';
import type { MujocoOptions, Range } from '../../options.js';
import { addUniform, clip, controlCost32 } from '../numerics.js';

export interface PlanarWalkerOptions extends MujocoOptions {
  /** Weight of the forward velocity in the reward. */
  forwardRewardWeight: number;
  /** Weight of the squared action in the cost. */
  ctrlCostWeight: number;
  /** Reward of every healthy step. */
  healthyReward: number;
  /** End the episode when the walker is unhealthy. */
  terminateWhenUnhealthy: boolean;
  /** Heights of the torso between which it is healthy, ends excluded. */
  healthyZRange: Range;
  /** Angles of the torso (radians) between which it is healthy, ends excluded. */
  healthyAngleRange: Range;
  /** Positions and velocities start within this of their initial values. */
  resetNoiseScale: number;
  /** Leave the forward position out of the observation. */
  excludeCurrentPositionsFromObservation: boolean;
}

/** Velocities are shown within these bounds. */
const velocityRange: Range = [-10, 10];

/**
 * @param isHealthy judges the current state
 */
export function createPlanarWalker(
  simulation: Simulation,
  options: Readonly<PlanarWalkerOptions>,
  isHealthy: () => boolean,
): Task {
  const { frameSkip, forwardRewardWeight, ctrlCostWeight, healthyReward } = options;
  const skipped = options.excludeCurrentPositionsFromObservation ? 1 : 0;
  const dt = simulation.timestep * frameSkip;
  const initialHeight = simulation.initialQpos[1]!;
  return {
    drawState(random, qpos, qvel) {
      addUniform(qpos, random, options.resetNoiseScale);
      addUniform(qvel, random, options.resetNoiseScale);
    },
    observe() {
      const { qpos, qvel } = simulation.views;
      const positions = qpos.length - skipped;
      const observation = new Float64Array(positions + qvel.length);
      for (let i = 0; i < positions; i++) observation[i] = qpos[skipped + i]!;
      for (let i = 0; i < qvel.length; i++) {
        observation[positions + i] = clip(qvel[i]!, velocityRange);
      }
      return observation;
    },
    advance(action) {
      const before = simulation.views.qpos[0]!;
      simulation.advance(action, frameSkip);
      const { qpos } = simulation.views;
      const velocity = (qpos[0]! - before) / dt;
      const healthy = isHealthy();
      const forward = forwardRewardWeight * velocity;
      const survive = healthy ? healthyReward : 0;
      const control = controlCost32(ctrlCostWeight, action);
      const info = {
        x_position: qpos[0]!,
        z_distance_from_origin: qpos[1]! - initialHeight,
        x_velocity: velocity,
        reward_forward: forward,
        reward_ctrl: -control,
        reward_survive: survive,
      };
      const terminated = !healthy && options.terminateWhenUnhealthy;
      return { reward: forward + survive - control, terminated, info };
    },
  };
}
