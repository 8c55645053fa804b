/**
 * Humanoid: a body of 13 links and 17 driven joints, 42 kg, in two poses: standing (Humanoid) and
 * lying on its back (HumanoidStandup).
 *
 * The poses are built into the links rather than into the joint angles: legs run down (-z) in the
 * one and along +x in the other, and joint axes stay those of the world. Everything collides with
 * everything, frictionless but for the floor.
 */

type Vector = readonly [x: number, y: number, z: number];

/** What differs between the poses; positions in metres, relative to the link above. */
interface Pose {
  name: string;
  /** Height of the torso above the floor. */
  height: number;
  /** Direction in which the legs run. */
  legs: Vector;
  head: Vector;
  upperWaist: Vector;
  lowerWaist: Vector;
  /** Distance of the hips below the pelvis. */
  hipDrop: number;
  foot: Vector;
  /** Range of the left hip about y, degrees. */
  leftHipRange: string;
}

const standing: Pose = {
  name: 'humanoid',
  height: 1.4,
  legs: [0, 0, -1],
  head: [0, 0, 0.19],
  upperWaist: [-0.01, 0, -0.12],
  lowerWaist: [-0.01, 0, -0.26],
  hipDrop: 0.04,
  foot: [0, 0, -0.45],
  leftHipRange: '-110 20',
};

const lying: Pose = {
  name: 'humanoid, lying',
  height: 0.105,
  legs: [1, 0, 0],
  head: [-0.15, 0, 0],
  upperWaist: [0.11, 0, 0],
  lowerWaist: [0.21, 0, 0],
  hipDrop: 0,
  foot: [0.35, 0, -0.1],
  leftHipRange: '-120 20',
};

/** The point `distance` along the legs and `y` to the left, as MJCF text. */
function along(pose: Pose, distance: number, y = 0): string {
  const [x, , z] = pose.legs;
  return `${x * distance} ${y} ${z * distance}`;
}

/** A link from side to side, `half` to the left and to the right of its centre. */
function crosswise(name: string, size: number, half: number, [x, , z]: Vector): string {
  return `<geom name="${name}" size="${size}" fromto="${x} ${-half} ${z} ${x} ${half} ${z}"/>`;
}

/** Thigh, shin and foot; the left leg mirrors the right one, joint axes included. */
function leg(pose: Pose, side: 'right' | 'left'): string {
  const left = side === 'left' ? 1 : -1;
  const hipRange = side === 'left' ? pose.leftHipRange : '-110 20';
  return `
          <body name="${side}_thigh" pos="0 ${left * 0.1} ${-pose.hipDrop}">
            <joint name="${side}_hip_x" class="stiff" axis="${-left} 0 0" range="-25 5"/>
            <joint name="${side}_hip_z" class="stiff" axis="0 0 ${-left}" range="-60 35"/>
            <joint name="${side}_hip_y" class="stiff" axis="0 1 0" range="${hipRange}"
                   stiffness="20" armature="${side === 'left' ? 0.01 : 0.008}"/>
            <geom name="${side}_thigh1" size="0.06" fromto="0 0 0 ${along(pose, 0.34, left * -0.01)}"/>
            <body name="${side}_shin" pos="${along(pose, 0.403, left * -0.01)}">
              <joint name="${side}_knee" axis="0 -1 0" pos="0 0 0.02" range="-160 -2"
                     stiffness="${side === 'left' ? 1 : 0}" armature="0.006"/>
              <geom name="${side}_shin1" size="0.049" fromto="0 0 0 ${along(pose, 0.3)}"/>
              <body name="${side}_foot" pos="${pose.foot.join(' ')}">
                <geom name="${side}_foot" type="sphere" size="0.075" pos="0 0 0.1"/>
              </body>
            </body>
          </body>`;
}

/** Upper and lower arm with its hand; the left arm mirrors the right one. */
function arm(side: 'right' | 'left'): string {
  const left = side === 'left' ? 1 : -1;
  const shoulderRange = side === 'left' ? '-60 85' : '-85 60';
  return `
      <body name="${side}_upper_arm" pos="0 ${left * 0.17} 0.06">
        <joint name="${side}_shoulder1" axis="2 ${-left} 1" range="${shoulderRange}"
               stiffness="1" armature="0.0068"/>
        <joint name="${side}_shoulder2" axis="0 ${left} 1" range="${shoulderRange}"
               stiffness="1" armature="0.0051"/>
        <geom name="${side}_uarm1" size="0.04" fromto="0 0 0 0.16 ${left * 0.16} -0.16"/>
        <body name="${side}_lower_arm" pos="0.18 ${left * 0.18} -0.18">
          <joint name="${side}_elbow" axis="0 -1 ${-left}" range="-90 50" armature="0.0028"/>
          <geom name="${side}_larm" size="0.031"
                fromto="0.01 ${left * -0.01} 0.01 0.17 ${left * -0.17} 0.17"/>
          <geom name="${side}_hand" type="sphere" size="0.04" pos="0.18 ${left * -0.18} 0.18"/>
        </body>
      </body>`;
}

/** Couples of hip and knee whose lengths a task can watch; they pull at nothing. */
function tendon(side: 'right' | 'left'): string {
  return `
    <fixed name="${side}_hip_knee">
      <joint joint="${side}_hip_y" coef="-1"/>
      <joint joint="${side}_knee" coef="1"/>
    </fixed>`;
}

/** Strength of the motors, in the order of an action. */
const gears: readonly (readonly [joint: string, gear: number])[] = [
  ['abdomen_y', 100],
  ['abdomen_z', 100],
  ['abdomen_x', 100],
  ...(['right', 'left'] as const).flatMap((side) => [
    [`${side}_hip_x`, 100] as const,
    [`${side}_hip_z`, 100] as const,
    [`${side}_hip_y`, 300] as const,
    [`${side}_knee`, 200] as const,
  ]),
  ...(['right', 'left'] as const).flatMap((side) => [
    [`${side}_shoulder1`, 25] as const,
    [`${side}_shoulder2`, 25] as const,
    [`${side}_elbow`, 25] as const,
  ]),
];

function humanoid(pose: Pose): string {
  return `
<mujoco model="${pose.name}">
  <compiler angle="degree"/>
  <option timestep="0.003" integrator="RK4" solver="PGS" iterations="50"/>
  <size memory="4M"/>

  <default>
    <geom type="capsule" condim="1" margin="0.001"/>
    <joint type="hinge" limited="true" damping="1"/>
    <motor ctrllimited="true" ctrlrange="-0.4 0.4"/>
    <default class="stiff">
      <joint stiffness="10" damping="5" armature="0.01"/>
    </default>
    <default class="waist">
      <joint stiffness="20" damping="5" armature="0.02"/>
    </default>
  </default>

  <worldbody>
    <geom name="floor" type="plane" size="20 20 0.125" condim="3" friction="1 0.1 0.1"/>
    <body name="torso" pos="0 0 ${pose.height}">
      <joint name="root" type="free" limited="false" damping="0"/>
      ${crosswise('torso1', 0.07, 0.07, [0, 0, 0])}
      <geom name="head" type="sphere" size="0.09" pos="${pose.head.join(' ')}"/>
      ${crosswise('uwaist', 0.06, 0.06, pose.upperWaist)}
      <body name="lwaist" pos="${pose.lowerWaist.join(' ')}" quat="1 0 -0.002 0">
        <joint name="abdomen_z" class="waist" axis="0 0 1" pos="0 0 0.065" range="-45 45"/>
        <joint name="abdomen_y" class="waist" axis="0 1 0" pos="0 0 0.065" range="-75 30"
               stiffness="10"/>
        ${crosswise('lwaist', 0.06, 0.06, [0, 0, 0])}
        <body name="pelvis" pos="${along(pose, 0.165)}" quat="1 0 -0.002 0">
          <joint name="abdomen_x" class="waist" axis="1 0 0" pos="0 0 0.1" range="-35 35"
                 stiffness="10"/>
          ${crosswise('butt', 0.09, 0.07, [-0.02, 0, 0])}
          ${leg(pose, 'right')}
          ${leg(pose, 'left')}
        </body>
      </body>
      ${arm('right')}
      ${arm('left')}
    </body>
  </worldbody>

  <tendon>${tendon('left')}${tendon('right')}
  </tendon>

  <actuator>
    ${gears.map(([joint, gear]) => `<motor name="${joint}" joint="${joint}" gear="${gear}"/>`).join('\n    ')}
  </actuator>
</mujoco>
`;
}

export const humanoidModel = humanoid(standing);
export const humanoidStandupModel = humanoid(lying);
