/**
 * HalfCheetah: a planar runner with a stiff spine, a head and two legs of three links each.
 *
 * Angles are radians about the y axis. Links are capsules of radius 0.046 m whose relative masses
 * follow from their volume; the whole is scaled to 14 kg. Joints are sprung towards the initial
 * pose, and the stronger a joint's motor, the stiffer its spring.
 */
export const halfCheetahModel = `
<mujoco model="half cheetah">
  <compiler angle="radian" settotalmass="14"/>
  <option timestep="0.01" gravity="0 0 -9.81"/>
  <size memory="1M"/>

  <default>
    <!-- Links meet the floor (affinity 1), never each other. -->
    <geom type="capsule" size="0.046" contype="1" conaffinity="0" friction="0.4 0.1 0.1"
          solimp="0 0.8 0.01"/>
    <joint type="hinge" axis="0 1 0" limited="true" armature="0.1" solimplimit="0 0.8 0.03"/>
    <motor ctrllimited="true" ctrlrange="-1 1"/>
    <default class="root">
      <joint limited="false" armature="0" damping="0" stiffness="0"/>
    </default>
  </default>

  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    <body name="torso" pos="0 0 0.7">
      <joint name="rootx" class="root" type="slide" axis="1 0 0"/>
      <joint name="rootz" class="root" type="slide" axis="0 0 1"/>
      <joint name="rooty" class="root"/>
      <geom name="torso" fromto="-0.5 0 0 0.5 0 0"/>
      <geom name="head" size="0.046 0.15" pos="0.6 0 0.1" euler="0 0.87 0"/>

      <!-- Hind leg -->
      <body name="bthigh" pos="-0.5 0 0">
        <joint name="bthigh" range="-0.52 1.05" damping="6" stiffness="240"/>
        <geom name="bthigh" size="0.046 0.145" pos="0.1 0 -0.13" euler="0 -3.8 0"/>
        <body name="bshin" pos="0.16 0 -0.25">
          <joint name="bshin" range="-0.785 0.785" damping="4.5" stiffness="180"/>
          <geom name="bshin" size="0.046 0.15" pos="-0.14 0 -0.07" euler="0 -2.03 0"/>
          <body name="bfoot" pos="-0.28 0 -0.14">
            <joint name="bfoot" range="-0.4 0.785" damping="3" stiffness="120"/>
            <geom name="bfoot" size="0.046 0.094" pos="0.03 0 -0.097" euler="0 -0.27 0"/>
          </body>
        </body>
      </body>

      <!-- Fore leg -->
      <body name="fthigh" pos="0.5 0 0">
        <joint name="fthigh" range="-1 0.7" damping="4.5" stiffness="180"/>
        <geom name="fthigh" size="0.046 0.133" pos="-0.07 0 -0.12" euler="0 0.52 0"/>
        <body name="fshin" pos="-0.14 0 -0.24">
          <joint name="fshin" range="-1.2 0.87" damping="3" stiffness="120"/>
          <geom name="fshin" size="0.046 0.106" pos="0.065 0 -0.09" euler="0 -0.6 0"/>
          <body name="ffoot" pos="0.13 0 -0.18">
            <joint name="ffoot" range="-0.5 0.5" damping="1.5" stiffness="60"/>
            <geom name="ffoot" size="0.046 0.07" pos="0.045 0 -0.07" euler="0 -0.6 0"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>

  <actuator>
    <motor name="bthigh" joint="bthigh" gear="120"/>
    <motor name="bshin" joint="bshin" gear="90"/>
    <motor name="bfoot" joint="bfoot" gear="60"/>
    <motor name="fthigh" joint="fthigh" gear="120"/>
    <motor name="fshin" joint="fshin" gear="60"/>
    <motor name="ffoot" joint="ffoot" gear="30"/>
  </actuator>
</mujoco>
`;
