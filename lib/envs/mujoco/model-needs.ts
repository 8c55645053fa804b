/** What a task needs of a model that a user brings. */
import type { MjModel } from '@mujoco/mujoco';
import { InvalidValueError } from '../../errors.js';

/** Whatever else it has, the model of a task needs these, and a motor. */
export interface ModelNeeds {
  /** Joints that come first: a free one, or at least so many that slide or turn (one number each). */
  readonly joints: 'free' | number;
  /** Least number of sites. Default: 0. */
  readonly sites?: number;
}

/** Joint types that have one number as their position. */
const singleTypes = ['mjJNT_SLIDE', 'mjJNT_HINGE'] as const;

type JointTypes = Readonly<
  Record<'mjJNT_FREE' | (typeof singleTypes)[number], { readonly value: number }>
>;

/** @throws InvalidValueError that says what the model lacks */
export function checkModel(
  id: string,
  model: MjModel,
  types: JointTypes,
  { joints, sites = 0 }: ModelNeeds,
): void {
  const found = Array.from(model.jnt_type as Int32Array);
  if (joints === 'free') {
    if (found[0] !== types.mjJNT_FREE.value) throw lacks(id, 'a free joint as its first one');
  } else {
    const single = singleTypes.map((name) => types[name].value);
    const fit = found.slice(0, joints).filter((type) => single.includes(type)).length;
    const noun = joints === 1 ? 'joint' : 'joints';
    if (fit < joints)
      throw lacks(id, `at least ${joints} ${noun} (slide or hinge) before any others`);
  }
  if (model.nsite < sites) throw lacks(id, `at least ${sites} site`);
  if (model.nu < 1) throw lacks(id, 'at least one actuator');
}

function lacks(id: string, what: string): Error {
  return new InvalidValueError(
    `Expected model to have ${what}, as ${id} needs, but it does not. ` +
      "Start from the task's own model: makeEnv() without options has it in options.model",
  );
}
