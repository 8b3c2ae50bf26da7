"""A truth put into MuJoCo's model and into the robot's force law; what a robot cannot have is refused.

An exported MJCF (`mpc export`) keeps what the format has no element for as numbers under <custom>: `drag` [N s/m], a linear
drag like the truth's own, and parameters of the robot's force law by name. They count as the file's other values do.
"""

from __future__ import annotations

import mujoco

from mpc_controller.arrays import Array
from mpc_controller.robot import Robot
from sim.drag import LinearDrag
from sim.gears import ElasticJoints, StribeckFriction, driven_joints, without_armature
from sim.hidden_effect import HiddenEffect
from sim.rotors import MotorLag, RotorAir, Rotors
from sim.truth import SimTruth

_OF_ROTORS = ("rotor_drag", "thrust_loss", "ground_effect_radius", "motor_lag_scale", "spin_down_scale")
# A link of 0.005 kg m² on a spring of 5000 N m/rad turns by 0.25 rad of its phase in 1/8 of 2 ms.
_STEPS_OF_SPRINGS = 8


def check_truth(model: mujoco.MjModel, robot: Robot, truth: SimTruth) -> None:
    """Raise ValueError, as the plant's constructor would, for a truth that this robot cannot have."""
    hidden_effects(model, robot, truth)
    law_parameters(model, robot, truth)


def scale_model(model: mujoco.MjModel, data: mujoco.MjData, truth: SimTruth) -> None:
    """Apply the truth's factors to masses, joints and actuators, and take finer steps where there are springs."""
    model.body_mass[:] *= truth.mass_scale
    model.body_inertia[:] *= truth.mass_scale * truth.inertia_scale
    model.dof_damping[:] *= truth.joint_damping_scale
    model.dof_frictionloss[:] *= truth.joint_friction_scale
    model.actuator_gainprm[:, 0] *= truth.actuator_gain_scale
    if truth.joint_stiffness > 0:
        without_armature(model)
        model.opt.timestep /= _STEPS_OF_SPRINGS
    mujoco.mj_setConst(model, data)


def hidden_effects(model: mujoco.MjModel, robot: Robot, truth: SimTruth) -> list[HiddenEffect]:
    """What acts before every step, from a model that is not scaled yet. ValueError for a truth that this robot cannot have."""
    effects: list[HiddenEffect] = []
    dofs = drag_dofs(model, robot, truth)
    if dofs:
        effects.append(LinearDrag(dofs, linear_drag(model, truth)))
    return effects + rotor_effects(model, robot, truth) + gear_effects(model, robot, truth)


def rotor_effects(model: mujoco.MjModel, robot: Robot, truth: SimTruth) -> list[HiddenEffect]:
    """Those of rotors and their motors."""
    default = SimTruth()
    changed = [name for name in _OF_ROTORS if getattr(truth, name) != getattr(default, name)]
    if not changed:
        return []
    rotors = Rotors.of(model)
    if rotors is None:
        name, value, valid = changed[0], getattr(truth, changed[0]), getattr(default, changed[0])
        raise ValueError(f"sim.truth: '{name}' is {value:g}; '{robot.name}' does not fly with rotors, so it must be {valid:g}")
    air = RotorAir(rotors, model, truth.rotor_drag, truth.thrust_loss, truth.ground_effect_radius)
    return [air, MotorLag(rotors, model, truth.motor_lag_scale, truth.spin_down_scale)]


def gear_effects(model: mujoco.MjModel, robot: Robot, truth: SimTruth) -> list[HiddenEffect]:
    """Those between motors and joints."""
    named = [name for name in ("stribeck_coulomb", "stribeck_static", "joint_stiffness") if getattr(truth, name) > 0]
    if named and not len(driven_joints(model)):
        given = f"'{named[0]}' is {getattr(truth, named[0]):g}"
        raise ValueError(f"sim.truth: {given}; no motor of '{robot.name}' drives a joint, so it must be 0")
    effects: list[HiddenEffect] = []
    if truth.stribeck_coulomb > 0 or truth.stribeck_static > 0:
        own = model.dof_frictionloss * truth.joint_friction_scale
        effects.append(StribeckFriction(model, own, truth.stribeck_coulomb, truth.stribeck_static, truth.stribeck_speed))
    if truth.joint_stiffness > 0:
        rigid = [model.joint(model.actuator_trnid[i][0]).name for i in driven_joints(model) if not _armature(model, i)]
        if rigid:
            raise ValueError(f"sim.truth: 'joint_stiffness' needs an armature of every driven joint; '{rigid[0]}' has none")
        effects.append(ElasticJoints(model, truth.joint_stiffness, truth.joint_spring_damping))
    return effects


def _armature(model: mujoco.MjModel, actuator: int) -> float:
    """Of the joint that it drives [kg m²]."""
    return float(model.dof_armature[model.jnt_dofadr[model.actuator_trnid[actuator][0]]])


def drag_dofs(model: mujoco.MjModel, robot: Robot, truth: SimTruth) -> list[int]:
    """The degrees of freedom that linear drag acts on; ValueError where there is drag and none of them."""
    dofs = _translations_of_the_base(model) if linear_drag(model, truth) > 0 else []
    if truth.linear_drag > 0 and not dofs:
        raise ValueError(
            f"sim.truth: 'linear_drag' is {truth.linear_drag:g}; the base of '{robot.name}' does not translate, so it must be 0"
        )
    return dofs


def linear_drag(model: mujoco.MjModel, truth: SimTruth) -> float:
    """The file's and the truth's drag of the base [N s/m]."""
    return truth.linear_drag + _numbers(model).get("drag", 0.0)


def law_parameters(model: mujoco.MjModel, robot: Robot, truth: SimTruth) -> Array:
    """The nominal model's parameters as the robot's force law shall see them; ValueError for a name that it does not see."""
    parameters = robot.dynamics.nominal.parameters
    valid = parameters.names if robot.mjcf_adapter is not None else ()
    values = parameters.values
    for name, value in _numbers(model).items():
        if name in valid:
            values[parameters.index(name)] = value
    for name, scale in truth.parameter_scale.items():
        if name not in valid:
            choice = f"valid are {', '.join(valid)}" if valid else "this robot has no force law of its own, so none is valid"
            raise ValueError(f"sim.truth: unknown key 'parameter_scale.{name}' for '{robot.name}'; {choice}")
        values[parameters.index(name)] *= scale
    return values


def _translations_of_the_base(model: mujoco.MjModel) -> list[int]:
    """Degrees of freedom of the first moving body along world axes: a free joint's three, or those of slide joints."""
    dofs: list[int] = []
    for joint in range(model.njnt):
        if model.jnt_bodyid[joint] != model.jnt_bodyid[0]:
            break
        first = int(model.jnt_dofadr[joint])
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            dofs += [first, first + 1, first + 2]
        elif model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE:
            dofs.append(first)
    return dofs


def _numbers(model: mujoco.MjModel) -> dict[str, float]:
    """The <numeric> elements of the file, by name: the first of their data."""
    return {model.numeric(i).name: float(model.numeric(i).data[0]) for i in range(model.nnumeric)}
