/**
 * Hopper: a one-legged planar jumper of torso, thigh, leg and foot.
 *
 * Links are capsules of the density of water (15.8 kg in all); each link's position is its offset
 * from the link above. Joints turn about -y, so that bending backwards is negative.
 */
export const hopperModel = `
<mujoco model="hopper">
  <compiler angle="degree"/>
  <option timestep="0.002" integrator="RK4"/>
  <size memory="1M"/>

  <default>
    <geom type="capsule" condim="1" margin="0.001" friction="0.9" solimp="0.8 0.8 0.01"/>
    <joint type="hinge" axis="0 -1 0" limited="true" damping="1" armature="1"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="200"/>
    <default class="root">
      <joint limited="false" damping="0" armature="0"/>
    </default>
  </default>

  <worldbody>
    <geom name="floor" type="plane" size="20 20 0.125" condim="3" friction="1"/>
    <body name="torso" pos="0 0 1.25">
      <!-- The slides sit at the origin of the world; the height counts from the floor. -->
      <joint name="rootx" class="root" type="slide" axis="1 0 0" pos="0 0 -1.25"/>
      <joint name="rootz" class="root" type="slide" axis="0 0 1" pos="0 0 -1.25" ref="1.25"/>
      <joint name="rooty" class="root" axis="0 1 0"/>
      <geom name="torso_geom" size="0.05 0.2"/>
      <body name="thigh" pos="0 0 -0.2">
        <joint name="thigh_joint" range="-150 0"/>
        <geom name="thigh_geom" size="0.05 0.225" pos="0 0 -0.225"/>
        <body name="leg" pos="0 0 -0.7">
          <joint name="leg_joint" pos="0 0 0.25" range="-150 0"/>
          <geom name="leg_geom" size="0.04 0.25"/>
          <body name="foot" pos="0.13 0 -0.35">
            <joint name="foot_joint" pos="-0.13 0 0.1" range="-45 45"/>
            <geom name="foot_geom" size="0.06" fromto="-0.26 0 0.1 0.13 0 0.1" friction="2"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>

  <actuator>
    <motor joint="thigh_joint"/>
    <motor joint="leg_joint"/>
    <motor joint="foot_joint"/>
  </actuator>
</mujoco>
`;
