/**
 * Pusher-v5: push a cylinder over a table to a goal.
 *
 * Observation (23): angles and velocities of the seven joints, positions of hand, cylinder and goal.
 * Action (7): joint torques within ±2. Reward: minus the distances from cylinder to goal and from
 * hand to cylinder, minus a control cost. Episodes only end by truncation, after 100 steps.
 */
import type { TaskDefinition } from '../engine.js';
import type { MujocoOptions } from '../../options.js';
import { pusherModel } from '../models/pusher.js';
import { addUniform, concatenate, controlCost32 } from '../numerics.js';

export interface PusherOptions extends MujocoOptions {
  /** Weight of the distance from hand to cylinder in the cost. */
  rewardNearWeight: number;
  /** Weight of the distance from cylinder to goal in the cost. */
  rewardDistWeight: number;
  /** Weight of the squared action in the cost. */
  rewardControlWeight: number;
}

/** Joints of the arm. */
const joints = 7;

export const pusher: TaskDefinition<PusherOptions> = {
  id: 'Pusher-v5',
  needs: { joints: 11 },
  defaults: {
    model: pusherModel,
    frameSkip: 5,
    maxEpisodeSteps: 100,
    defaultCameraConfig: { trackbodyid: -1, distance: 4 },
    rewardNearWeight: 0.5,
    rewardDistWeight: 1,
    rewardControlWeight: 0.1,
  },
  create(simulation, options) {
    const hand = simulation.body('tips_arm');
    const cylinder = simulation.body('object');
    const goal = simulation.body('goal');
    return {
      drawState(random, qpos, qvel) {
        const start = qpos.subarray(-4, -2);
        // Redrawn until the cylinder is off the goal, which stays where the model has it.
        do {
          start[0] = random.uniform(-0.3, 0);
          start[1] = random.uniform(-0.2, 0.2);
        } while (!(Math.hypot(start[0], start[1]) > 0.17));
        qpos.fill(0, -2);
        addUniform(qvel, random, 0.005);
        qvel.fill(0, -4);
      },
      observe() {
        const { qpos, qvel, xpos } = simulation.views;
        const position = (body: number): Float64Array => xpos.subarray(3 * body, 3 * body + 3);
        return concatenate(
          qpos.subarray(0, joints),
          qvel.subarray(0, joints),
          position(hand),
          position(cylinder),
          position(goal),
        );
      },
      advance(action) {
        simulation.advance(action, options.frameSkip);
        const near = Math.hypot(...simulation.offset(hand, cylinder));
        const far = Math.hypot(...simulation.offset(goal, cylinder));
        const info = {
          reward_dist: -far * options.rewardDistWeight,
          reward_ctrl: -controlCost32(options.rewardControlWeight, action),
          reward_near: -near * options.rewardNearWeight,
        };
        const reward = info.reward_dist + info.reward_ctrl + info.reward_near;
        return { reward, terminated: false, info };
      },
    };
  },
};
