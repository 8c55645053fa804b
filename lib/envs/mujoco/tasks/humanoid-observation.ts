/** The observation that Humanoid-v5 and HumanoidStandup-v5 share. */
import type { Simulation } from '../simulation.js';
import type { MujocoOptions } from '../../options.js';
import { concatenate } from '../numerics.js';

export interface HumanoidObservationOptions extends MujocoOptions {
  /** Leave the position in the plane out of the observation. */
  excludeCurrentPositionsFromObservation: boolean;
  /** Show inertia and mass of every body. */
  includeCinertInObservation: boolean;
  /** Show the velocity of every body. */
  includeCvelInObservation: boolean;
  /** Show the force of every motor. */
  includeQfrcActuatorInObservation: boolean;
  /** Show the contact forces on every body. */
  includeCfrcExtInObservation: boolean;
}

/** The observation's parts that are on by default. */
export const observationDefaults = {
  excludeCurrentPositionsFromObservation: true,
  includeCinertInObservation: true,
  includeCvelInObservation: true,
  includeQfrcActuatorInObservation: true,
  includeCfrcExtInObservation: true,
};

/**
 * A function that observes: positions (22, or 24), velocities (23), and as far as included body
 * inertias (130), body velocities (78), motor forces (17) and contact forces (78). The world, which
 * is the first body, and the root, whose six degrees of freedom no motor drives, are left out.
 */
export function humanoidObserver(
  simulation: Simulation,
  options: Readonly<HumanoidObservationOptions>,
): () => Float64Array {
  const skipped = options.excludeCurrentPositionsFromObservation ? 2 : 0;
  return () => {
    const { qpos, qvel, cinert, cvel, qfrcActuator, cfrcExt } = simulation.views;
    const parts = [qpos.subarray(skipped), qvel];
    if (options.includeCinertInObservation) parts.push(cinert.subarray(10));
    if (options.includeCvelInObservation) parts.push(cvel.subarray(6));
    if (options.includeQfrcActuatorInObservation) parts.push(qfrcActuator.subarray(6));
    if (options.includeCfrcExtInObservation) parts.push(cfrcExt.subarray(6));
    return concatenate(...parts);
  };
}
