/**
 * Reacher: an arm of two links of 0.1 m that turns in a plane, and a target on two slides. The walls
 * only frame the picture: nothing collides.
 */

/** A wall, as a capsule from one corner of the arena to another. */
function wall(name: string, fromto: string): string {
  return `<geom name="${name}" size="0.02" fromto="${fromto}" conaffinity="0"/>`;
}

export const reacherModel = `
<mujoco model="reacher">
  <compiler angle="radian"/>
  <option timestep="0.01" integrator="RK4"/>
  <size memory="1M"/>

  <default>
    <geom type="capsule" size="0.01" contype="0" friction="1 0.1 0.1"/>
    <joint type="hinge" axis="0 0 1" damping="1" armature="1"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="200"/>
    <default class="target">
      <joint type="slide" limited="true" range="-0.27 0.27" damping="0" armature="0"/>
    </default>
  </default>

  <worldbody>
    <geom name="ground" type="plane" size="1 1 10" conaffinity="0"/>
    ${wall('sideS', '-0.3 -0.3 0.01 0.3 -0.3 0.01')}
    ${wall('sideE', '0.3 -0.3 0.01 0.3 0.3 0.01')}
    ${wall('sideN', '-0.3 0.3 0.01 0.3 0.3 0.01')}
    ${wall('sideW', '-0.3 -0.3 0.01 -0.3 0.3 0.01')}
    <geom name="root" type="cylinder" size="0.011" fromto="0 0 0 0 0 0.02" conaffinity="0"/>

    <body name="body0" pos="0 0 0.01">
      <joint name="joint0"/>
      <geom name="link0" fromto="0 0 0 0.1 0 0"/>
      <body name="body1" pos="0.1 0 0">
        <joint name="joint1" limited="true" range="-3 3"/>
        <geom name="link1" fromto="0 0 0 0.1 0 0"/>
        <body name="fingertip" pos="0.11 0 0">
          <geom name="fingertip" type="sphere"/>
        </body>
      </body>
    </body>

    <!-- Its slides count from the centre of the arena. -->
    <body name="target" pos="0.1 -0.1 0.01">
      <joint name="target_x" class="target" axis="1 0 0" ref="0.1"/>
      <joint name="target_y" class="target" axis="0 1 0" ref="-0.1"/>
      <geom name="target" type="sphere" size="0.009" conaffinity="0"/>
    </body>
  </worldbody>

  <actuator>
    <motor joint="joint0"/>
    <motor joint="joint1"/>
  </actuator>
</mujoco>
`;
