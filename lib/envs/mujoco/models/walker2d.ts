/**
 * Walker2d: a planar biped whose two legs are the same, each of thigh, leg and foot.
 *
 * Links are capsules of the density of water (23.7 kg in all) that touch the floor but never each
 * other. Joints turn about -y, so that bending backwards is negative.
 */

/** One leg; `side` tells its names from the other's. */
function leg(side: string): string {
  return `
      <body name="thigh${side}" pos="0 0 -0.2">
        <joint name="thigh${side}_joint" range="-150 0"/>
        <geom name="thigh${side}_geom" size="0.05 0.225" pos="0 0 -0.225"/>
        <body name="leg${side}" pos="0 0 -0.7">
          <joint name="leg${side}_joint" pos="0 0 0.25" range="-150 0"/>
          <geom name="leg${side}_geom" size="0.04 0.25"/>
          <body name="foot${side}" pos="0.2 0 -0.35">
            <joint name="foot${side}_joint" pos="-0.2 0 0.1" range="-45 45"/>
            <geom name="foot${side}_geom" size="0.06" fromto="-0.2 0 0.1 0 0 0.1"
                  friction="1.9 0.1 0.1"/>
          </body>
        </body>
      </body>`;
}

const motors = ['', '_left']
  .flatMap((side) => ['thigh', 'leg', 'foot'].map((link) => `${link}${side}_joint`))
  .map((joint) => `<motor joint="${joint}"/>`)
  .join('\n    ');

export const walker2dModel = `
<mujoco model="walker2d">
  <compiler angle="degree"/>
  <option timestep="0.002" integrator="RK4"/>
  <size memory="1M"/>

  <default>
    <geom type="capsule" contype="1" conaffinity="0" friction="0.9 0.1 0.1"/>
    <joint type="hinge" axis="0 -1 0" limited="true" damping="0.1" armature="0.01"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="100"/>
    <default class="root">
      <joint limited="false" damping="0" armature="0"/>
    </default>
  </default>

  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1" friction="0.7 0.1 0.1"/>
    <body name="torso" pos="0 0 1.25">
      <!-- The slides sit at the origin of the world; the height counts from the floor. -->
      <joint name="rootx" class="root" type="slide" axis="1 0 0" pos="0 0 -1.25"/>
      <joint name="rootz" class="root" type="slide" axis="0 0 1" pos="0 0 -1.25" ref="1.25"/>
      <joint name="rooty" class="root" axis="0 1 0"/>
      <geom name="torso_geom" size="0.05 0.2"/>
      ${leg('')}
      ${leg('_left')}
    </body>
  </worldbody>

  <actuator>
    ${motors}
  </actuator>
</mujoco>
`;
