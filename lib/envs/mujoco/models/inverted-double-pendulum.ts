/**
 * InvertedDoublePendulum: a 10 kg cart on a rail of 2 m with two poles of 0.6 m, one on the other;
 * the site "tip" is the upper end. A trace of sideways gravity breaks the symmetry. Nothing
 * collides.
 */
export const invertedDoublePendulumModel = `
<mujoco model="inverted double pendulum">
  <option timestep="0.01" integrator="RK4" gravity="1e-5 0 -9.81"/>
  <size memory="1M"/>

  <default>
    <geom type="capsule" contype="0" friction="1 0.1 0.1"/>
    <joint type="hinge" axis="0 1 0" damping="0.05"/>
  </default>

  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" pos="0 0 -3"/>
    <geom name="rail" size="0.02" fromto="1 0 0 -1 0 0"/>
    <body name="cart">
      <joint name="slider" type="slide" axis="1 0 0" limited="true" range="-1 1" margin="0.01"/>
      <geom name="cart" size="0.1" fromto="0.1 0 0 -0.1 0 0"/>
      <body name="pole">
        <joint name="hinge"/>
        <geom name="cpole" size="0.045" fromto="0 0 0 0 0 0.6"/>
        <body name="pole2" pos="0 0 0.6">
          <joint name="hinge2"/>
          <geom name="cpole2" size="0.045" fromto="0 0 0 0 0 0.6"/>
          <site name="tip" pos="0 0 0.6"/>
        </body>
      </body>
    </body>
  </worldbody>

  <actuator>
    <motor name="slide" joint="slider" gear="500" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator>
</mujoco>
`;
