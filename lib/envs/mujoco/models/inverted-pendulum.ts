/**
 * InvertedPendulum: a 10 kg cart on a rail of 2 m with a pole of 0.6 m hinged to it. The pole leans
 * by 1 mm, so that it never stands in perfect balance. Nothing collides.
 */
export const invertedPendulumModel = `
<mujoco model="inverted pendulum">
  <compiler angle="degree"/>
  <option timestep="0.02" integrator="RK4"/>
  <size memory="1M"/>

  <default>
    <geom type="capsule" contype="0" friction="1 0.1 0.1"/>
    <joint limited="true" damping="1" armature="0"/>
  </default>

  <worldbody>
    <geom name="rail" size="0.02" fromto="1 0 0 -1 0 0"/>
    <body name="cart">
      <joint name="slider" type="slide" axis="1 0 0" range="-1 1"/>
      <geom name="cart" size="0.1" fromto="0.1 0 0 -0.1 0 0"/>
      <body name="pole">
        <joint name="hinge" type="hinge" axis="0 1 0" range="-90 90"/>
        <geom name="cpole" size="0.049" fromto="0 0 0 0.001 0 0.6"/>
      </body>
    </body>
  </worldbody>

  <actuator>
    <motor name="slide" joint="slider" gear="100" ctrllimited="true" ctrlrange="-3 3"/>
  </actuator>
</mujoco>
`;
