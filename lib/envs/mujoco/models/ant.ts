/**
 * Ant: a sphere on four legs. Every leg is a fixed stub, an upper link that swings about the
 * vertical at the hip, and a lower link that bends at the ankle; together they point away from the
 * torso along a diagonal. Links touch the floor, never each other.
 */

interface Leg {
  number: number;
  /** Which way the leg points: signs along x and y. */
  x: 1 | -1;
  y: 1 | -1;
  /** Names of the body and of the upper and lower link's geom. */
  names: readonly [body: string, upper: string, lower: string];
}

const legs: readonly Leg[] = [
  { number: 1, x: 1, y: 1, names: ['front_left_leg', 'left_leg_geom', 'left_ankle_geom'] },
  { number: 2, x: -1, y: 1, names: ['front_right_leg', 'right_leg_geom', 'right_ankle_geom'] },
  { number: 3, x: -1, y: -1, names: ['back_leg', 'back_leg_geom', 'third_ankle_geom'] },
  { number: 4, x: 1, y: -1, names: ['right_back_leg', 'rightback_leg_geom', 'fourth_ankle_geom'] },
];

function legXml({ number, x, y, names: [body, upper, lower] }: Leg): string {
  /** The point at `distance` along both axes, away from the torso. */
  const out = (distance: number): string => `${x * distance} ${y * distance} 0`;
  // Ankles turn across the leg. Their axes all have positive y, so the sign of "bent" depends on x.
  const ankleAxis = `${-x * y} 1 0`;
  const ankleRange = x === 1 ? '30 70' : '-70 -30';
  return `
      <body name="${body}">
        <geom name="aux_${number}_geom" fromto="0 0 0 ${out(0.2)}"/>
        <body name="aux_${number}" pos="${out(0.2)}">
          <joint name="hip_${number}" axis="0 0 1" range="-30 30"/>
          <geom name="${upper}" fromto="0 0 0 ${out(0.2)}"/>
          <body pos="${out(0.2)}">
            <joint name="ankle_${number}" axis="${ankleAxis}" range="${ankleRange}"/>
            <geom name="${lower}" fromto="0 0 0 ${out(0.4)}"/>
          </body>
        </body>
      </body>`;
}

/** The order of an action: the fourth leg comes first. */
const motors = [4, 1, 2, 3]
  .map((leg) => `<motor joint="hip_${leg}"/>\n    <motor joint="ankle_${leg}"/>`)
  .join('\n    ');

export const antModel = `
<mujoco model="ant">
  <compiler angle="degree"/>
  <option timestep="0.01" integrator="RK4"/>
  <size memory="1M"/>

  <default>
    <geom type="capsule" size="0.08" density="5" contype="1" conaffinity="0" margin="0.01"
          friction="1 0.5 0.5"/>
    <joint type="hinge" limited="true" damping="1" armature="1"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="150"/>
  </default>

  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    <body name="torso" pos="0 0 0.75">
      <joint name="root" type="free" limited="false" damping="0" armature="0" margin="0.01"/>
      <geom name="torso_geom" type="sphere" size="0.25"/>
      ${legs.map(legXml).join('')}
    </body>
  </worldbody>

  <actuator>
    ${motors}
  </actuator>
</mujoco>
`;
