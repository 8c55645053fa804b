/**
 * Reacher-v5: bring the tip of a two-link arm to a random target.
 *
 * Observation (10): cosines and sines of both angles, position of the target, angular velocities, and
 * the vector in the plane from target to fingertip. Action (2): motor commands. Reward: minus the
 * distance, minus a control cost. Episodes only end by truncation, after 50 steps.
 */
import type { TaskDefinition } from '../engine.js';
import type { MujocoOptions } from '../../options.js';
import { reacherModel } from '../models/reacher.js';
import { addUniform, concatenate, controlCost32 } from '../numerics.js';

export interface ReacherOptions extends MujocoOptions {
  /** Weight of the distance in the cost. */
  rewardDistWeight: number;
  /** Weight of the squared action in the cost. */
  rewardControlWeight: number;
}

export const reacher: TaskDefinition<ReacherOptions> = {
  id: 'Reacher-v5',
  needs: { joints: 4 },
  defaults: {
    model: reacherModel,
    frameSkip: 2,
    maxEpisodeSteps: 50,
    defaultCameraConfig: { trackbodyid: 0 },
    rewardDistWeight: 1,
    rewardControlWeight: 1,
  },
  create(simulation, options) {
    const fingertip = simulation.body('fingertip');
    const target = simulation.body('target');
    return {
      drawState(random, qpos, qvel) {
        addUniform(qpos, random, 0.1);
        const goal = qpos.subarray(-2);
        // Redrawn until the arm can reach it.
        do {
          goal[0] = random.uniform(-0.2, 0.2);
          goal[1] = random.uniform(-0.2, 0.2);
        } while (!(Math.hypot(goal[0], goal[1]) < 0.2));
        addUniform(qvel, random, 0.005);
        qvel.fill(0, -2);
      },
      observe() {
        const { qpos, qvel } = simulation.views;
        const [x, y] = simulation.offset(target, fingertip);
        return concatenate(
          Float64Array.of(Math.cos(qpos[0]!), Math.cos(qpos[1]!)),
          Float64Array.of(Math.sin(qpos[0]!), Math.sin(qpos[1]!)),
          qpos.subarray(2),
          Float64Array.of(qvel[0]!, qvel[1]!, x, y),
        );
      },
      advance(action) {
        simulation.advance(action, options.frameSkip);
        const distance = Math.hypot(...simulation.offset(target, fingertip));
        const info = {
          reward_dist: -distance * options.rewardDistWeight,
          reward_ctrl: -controlCost32(options.rewardControlWeight, action),
        };
        return { reward: info.reward_dist + info.reward_ctrl, terminated: false, info };
      },
    };
  },
};
