/**
 * Pusher: a seven-joint arm whose forked hand pushes a cylinder over a table to a goal. Only the
 * hand, the cylinder and the table collide, without friction and without gravity; the damping of the
 * cylinder's slides stands in for both.
 */

/** Two slides that let a body move over the table, y first. */
function slides(name: string): string {
  return `
      <joint name="${name}_slidey" class="slide" axis="0 1 0"/>
      <joint name="${name}_slidex" class="slide" axis="1 0 0"/>`;
}

/** The arm's joints from the shoulder down, in the order of an action. */
const joints =
  'shoulder_pan shoulder_lift upper_arm_roll elbow_flex forearm_roll wrist_flex wrist_roll';

const motors = joints
  .split(' ')
  .map((name) => `<motor joint="r_${name}_joint"/>`)
  .join('\n    ');

export const pusherModel = `
<mujoco model="pusher">
  <compiler angle="radian"/>
  <option timestep="0.01" integrator="Euler" gravity="0 0 0" iterations="20"/>
  <size memory="1M"/>

  <default>
    <geom type="capsule" density="300" contype="0" conaffinity="0" condim="1" margin="0.002"
          friction="0.8 0.1 0.1"/>
    <joint type="hinge" limited="true" damping="0.1" armature="0.04"/>
    <motor ctrllimited="true" ctrlrange="-2 2"/>
    <default class="hand">
      <geom size="0.02" contype="1" conaffinity="1"/>
    </default>
    <default class="slide">
      <joint type="slide" range="-10.3213 10.3" damping="0.5"/>
    </default>
  </default>

  <worldbody>
    <geom name="table" type="plane" size="1 1 0.1" pos="0 0.5 -0.325" contype="1" conaffinity="1"/>

    <body name="r_shoulder_pan_link" pos="0 -0.6 0">
      <joint name="r_shoulder_pan_joint" axis="0 0 1" range="-2.2854 1.714602" damping="1"/>
      <geom name="e1" type="sphere" size="0.05" pos="-0.06 0.05 0.2"/>
      <geom name="e2" type="sphere" size="0.05" pos="0.06 0.05 0.2"/>
      <geom name="e1p" type="sphere" size="0.03" pos="-0.06 0.09 0.2"/>
      <geom name="e2p" type="sphere" size="0.03" pos="0.06 0.09 0.2"/>
      <geom name="sp" size="0.1" fromto="0 0 -0.4 0 0 0.2"/>
      <body name="r_shoulder_lift_link" pos="0.1 0 0">
        <joint name="r_shoulder_lift_joint" axis="0 1 0" range="-0.5236 1.3963" damping="1"/>
        <geom name="sl" size="0.1" fromto="0 -0.1 0 0 0.1 0"/>
        <body name="r_upper_arm_roll_link">
          <joint name="r_upper_arm_roll_joint" axis="1 0 0" range="-1.5 1.7"/>
          <geom name="uar" size="0.02" fromto="-0.1 0 0 0.1 0 0"/>
          <body name="r_upper_arm_link">
            <geom name="ua" size="0.06" fromto="0 0 0 0.4 0 0"/>
            <body name="r_elbow_flex_link" pos="0.4 0 0">
              <joint name="r_elbow_flex_joint" axis="0 1 0" range="-2.3213 0"/>
              <geom name="ef" size="0.06" fromto="0 -0.02 0 0 0.02 0"/>
              <body name="r_forearm_roll_link">
                <joint name="r_forearm_roll_joint" axis="1 0 0" range="-1.5 1.5"/>
                <geom name="fr" size="0.02" fromto="-0.1 0 0 0.1 0 0"/>
                <body name="r_forearm_link">
                  <geom name="fa" size="0.05" fromto="0 0 0 0.291 0 0"/>
                  <body name="r_wrist_flex_link" pos="0.321 0 0">
                    <joint name="r_wrist_flex_joint" axis="0 1 0" range="-1.094 0"/>
                    <geom name="wf" size="0.01" fromto="0 -0.02 0 0 0.02 0"/>
                    <body name="r_wrist_roll_link">
                      <joint name="r_wrist_roll_joint" axis="1 0 0" range="-1.5 1.5"/>
                      <!-- The fork: a bar across and two prongs. -->
                      <geom class="hand" fromto="0 -0.1 0 0 0.1 0"/>
                      <geom class="hand" fromto="0 -0.1 0 0.1 -0.1 0"/>
                      <geom class="hand" fromto="0 0.1 0 0.1 0.1 0"/>
                      <body name="tips_arm">
                        <geom name="tip_arml" type="sphere" size="0.01" pos="0.1 -0.1 0"/>
                        <geom name="tip_armr" type="sphere" size="0.01" pos="0.1 0.1 0"/>
                      </body>
                    </body>
                  </body>
                </body>
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>

    <!-- Next to weightless: only damping and armature hold these two back. -->
    <body name="object" pos="0.45 -0.05 -0.275">
      <geom type="cylinder" size="0.05 0.05 0.05" density="0.01" contype="1"/>
      ${slides('obj')}
    </body>
    <body name="goal" pos="0.45 -0.05 -0.323">
      <geom type="cylinder" size="0.08 0.001 0.1" density="1e-5"/>
      ${slides('goal')}
    </body>
  </worldbody>

  <actuator>
    ${motors}
  </actuator>
</mujoco>
`;
