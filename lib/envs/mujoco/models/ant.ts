/**
 * Ant: a sphere on four legs. Every leg is a fixed stub, an upper link that swings about the
 * vertical at the hip, and a lower link that bends at the ankle; together they point away from the
 * torso along a diagonal. Links touch the floor, never each other.
 */

interface Leg {
  /** Which way the leg points: signs along x and y. */
  x: 1 | -1;
  y: 1 | -1;
  number: number;
  body: string;
  upperGeom: string;
  lowerGeom: string;
  /** Turning axis and range (degrees) of the ankle. */
  ankleAxis: string;
  ankleRange: string;
}

const legs: readonly Leg[] = [
  {
    ...{ x: 1, y: 1, number: 1, body: 'front_left_leg' },
    ...{ upperGeom: 'left_leg_geom', lowerGeom: 'left_ankle_geom' },
    ...{ ankleAxis: '-1 1 0', ankleRange: '30 70' },
  },
  {
    ...{ x: -1, y: 1, number: 2, body: 'front_right_leg' },
    ...{ upperGeom: 'right_leg_geom', lowerGeom: 'right_ankle_geom' },
    ...{ ankleAxis: '1 1 0', ankleRange: '-70 -30' },
  },
  {
    ...{ x: -1, y: -1, number: 3, body: 'back_leg' },
    ...{ upperGeom: 'back_leg_geom', lowerGeom: 'third_ankle_geom' },
    ...{ ankleAxis: '-1 1 0', ankleRange: '-70 -30' },
  },
  {
    ...{ x: 1, y: -1, number: 4, body: 'right_back_leg' },
    ...{ upperGeom: 'rightback_leg_geom', lowerGeom: 'fourth_ankle_geom' },
    ...{ ankleAxis: '1 1 0', ankleRange: '30 70' },
  },
];

function legXml(leg: Leg): string {
  /** The point at `distance` along both axes, away from the torso. */
  const out = (distance: number): string => `${leg.x * distance} ${leg.y * distance} 0`;
  return `
      <body name="${leg.body}">
        <geom name="aux_${leg.number}_geom" fromto="0 0 0 ${out(0.2)}"/>
        <body name="aux_${leg.number}" pos="${out(0.2)}">
          <joint name="hip_${leg.number}" axis="0 0 1" range="-30 30"/>
          <geom name="${leg.upperGeom}" fromto="0 0 0 ${out(0.2)}"/>
          <body pos="${out(0.2)}">
            <joint name="ankle_${leg.number}" axis="${leg.ankleAxis}" range="${leg.ankleRange}"/>
            <geom name="${leg.lowerGeom}" fromto="0 0 0 ${out(0.4)}"/>
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
