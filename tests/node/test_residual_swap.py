"""A controller that plans with a learned residual: swapped while it runs, refused where it does not belong, replayed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import casadi as ca
import numpy as np
import pytest

from mpc_controller.bus.messages import Event, Message, Observation, ParameterUpdate, Plan
from mpc_controller.model.residual.network import mlp_shape
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import Guard, Residual, ResidualShape
from mpc_controller.model.residual.residual_file import residual_bytes
from mpc_controller.node.controller import Controller
from mpc_controller.node.controller_node import FIRST_RESIDUAL, ControllerOptions, control_job, fused_task
from mpc_controller.node.replay import replay
from mpc_controller.solvers import SOLVERS
from tests.control.machines import sled, task
from tests.model.residuals import linear_residual, random_residual
from tests.node.loop import DirectLink, SledPlant, run

PORT = ResidualPort(("velocity",), ("m/s",), ("force",), ("N",), lambda x, u, p: x[1], lambda x, u, p, r: ca.vertcat(0, r / p))
ROBOT = sled(residual_port=PORT)


def drag(coefficient: float, guard: Guard | None = None) -> Residual:
    """−c v [N], learned for the sled."""
    residual = linear_residual(np.array([[-coefficient]]))
    return replace(
        residual,
        guard=guard or residual.guard,
        robot="sled",
        model_hash=ROBOT.model_hash,
        parameters=ROBOT.dynamics.nominal.parameters.as_dict(),
        feature_names=PORT.feature_names,
        output_names=PORT.output_names,
    )


def controller(residual: Residual) -> Controller:
    work = fused_task(ROBOT, task(), residual)
    solver = SOLVERS["multiple-shooting"](work.problem)
    return Controller(control_job(ROBOT, work, solver, ControllerOptions("multiple-shooting", residual=residual)), epoch=3)


def flown(residual: Residual, said: dict[int, Message], duration_s: float = 0.6) -> DirectLink:
    """The sled driven to rest; what is said to the controller, by the sequence of the observation before which."""
    machine = controller(residual)
    machine.plan = partial(machine.plan, has_deadline=False)  # type: ignore[method-assign]
    link = DirectLink(machine)

    def before(observation: Observation) -> None:
        if observation.sequence in said:
            assert link.controller is not None
            message = said[observation.sequence]
            link.sent.append(message)
            link.controller.accept(message)

    link.before = before
    run(SledPlant(), link, duration_s, ROBOT)
    return link


def texts(link: DirectLink) -> list[str]:
    return [m.text for m in link.of(Event) if m.source == "controller"]  # type: ignore[attr-defined]


def test_new_weights_are_planned_with_from_the_next_observation_on_and_plans_do_not_jump():
    swapped = flown(drag(0.0), {150: ParameterUpdate(7, {}, residual_bytes(drag(4.0)))})
    as_before = flown(drag(0.0), {})
    assert "update 7: another residual (mlp)" in texts(swapped)
    plans = [[m for m in link.of(Plan) if m.answers_sequence >= 148] for link in (swapped, as_before)]
    first, unswapped = (p[0] for p in plans)
    assert first.answers_sequence == unswapped.answers_sequence <= 152
    # The disturbance gives back what the residual takes now; it stays when the sled slows down, and the drag does not, which is
    # all that the next command has to do with the swap.
    drag_now = 4.0 * abs(first.estimate[1])
    assert first.disturbance[0] - unswapped.disturbance[0] == pytest.approx(
        -np.sign(-first.estimate[1]) * drag_now / 2.0, rel=0.05
    )
    assert abs(first.controls[0] - unswapped.controls[0])[0] < 0.15 * drag_now
    assert np.abs(first.states - unswapped.states).max() > 1e-3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no file", "the update"),
        (residual_bytes(random_residual(ResidualShape(mlp_shape(1, (4,), 1)))), "has the shape"),
        (residual_bytes(replace(drag(1.0), robot="arm")), "a residual of arm cannot correct sled"),
        (residual_bytes(replace(drag(1.0), parameters={"mass": 3.0})), "mass was 3, and is 2 kg"),
        (residual_bytes(replace(drag(1.0), model_hash="f" * 12)), "corrects the equations ffffffffffff"),
        (residual_bytes(replace(drag(1.0), accepted=False)), "better than physics alone"),
    ],
)
def test_what_does_not_belong_is_refused_and_nothing_of_the_update_is_taken(data: bytes, reason: str):
    link = flown(drag(1.0), {100: ParameterUpdate(7, {"mass": 2.5}, data)}, 0.3)
    (text,) = (t for t in texts(link) if t.startswith("update 7"))
    assert text.startswith("update 7 refused")
    assert reason in text
    assert link.controller is not None
    assert not [w for w in link.controller.operators_words if isinstance(w, ParameterUpdate) and w.values]


def test_the_residual_in_use_is_answered_for_too():
    link = flown(drag(1.0), {100: ParameterUpdate(7, {}, residual_bytes(drag(1.0)))}, 0.3)
    assert "update 7: the residual is in use already" in texts(link)


def test_the_controller_tells_where_the_residual_does_not_hold():
    """The sled is faster than what was learned for a while; one event then, and one when it is slow again."""
    narrow = Guard(np.array([-0.3]), np.array([0.3]), np.array([0.1]), np.eye(1), 1e9, np.ones(1), np.full(1, 10.0))
    link = flown(drag(1.0, narrow), {}, 1.5)
    told = [t for t in texts(link) if "residual" in t]
    assert told[0].startswith("outside of what the residual was learned from: velocity is -0.")
    assert told[0].endswith("and was from -0.3 to 0.3")
    assert told[1:] == ["back where the residual was learned"]
    assert link.controller is not None
    assert 0.05 < link.controller.share_faded < 0.9


def test_a_run_with_a_swap_is_replayed_to_the_last_bit():
    first, second = drag(0.5), drag(3.0)
    link = flown(first, {150: ParameterUpdate(7, {"weight.effort[0]": 0.02}, residual_bytes(second))})
    stream = [ParameterUpdate(FIRST_RESIDUAL, {}, residual_bytes(first)), *link.sent]
    work = fused_task(ROBOT, task(), first)
    solver = SOLVERS["multiple-shooting"](work.problem)
    report = replay(stream, ROBOT, work, solver, ControllerOptions("multiple-shooting", residual=first))
    assert report.plans > 20
    assert report.is_identical
    other = replay(stream[1:], ROBOT, work, solver, ControllerOptions("multiple-shooting", residual=drag(0.6)))
    assert not other.is_identical


def test_a_robot_without_a_port_takes_no_residual():
    with pytest.raises(ValueError, match="'sled' does not say where a learned residual enters"):
        fused_task(sled(), task(), drag(1.0))
