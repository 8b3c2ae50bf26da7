"""What a controller makes sure of before it claims a plant."""

from __future__ import annotations

from mpc_controller.bus.messages import Observation, Plan
from mpc_controller.control.joint_watch import JointWatch
from mpc_controller.control.plan_soundness import detail_of, fault_of
from mpc_controller.robot import Robot


def arming_fault(plan: Plan, observation: Observation, robot: Robot, joints: JointWatch) -> str:
    """Why the plant must not be claimed with this plan, which answers the observation; '' when it may be.

    The plan must be as the plant wants it (sizes, numbers, limits of the controls), and the robot be where it could still
    brake. That the robot and its rates are the right ones was found out when it was met.
    """
    reason = fault_of(plan, robot)
    if reason is not None:
        detail = detail_of(reason, plan, robot)
        return f"the plan is not sound: {reason.value}{f' ({detail})' if detail else ''}"
    return "; ".join(joints.faults(observation.measured, was_braked=False))
