"""A controller whose linear residual learns on while the robot moves: it finds the drag, and is replayed to the last bit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import casadi as ca
import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.bus.messages import Message, Observation, ParameterUpdate, Plan, Reference
from mpc_controller.model.residual.network import mlp_shape
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import Guard, Residual, ResidualShape
from mpc_controller.model.residual.residual_file import ResidualError, residual_bytes
from mpc_controller.node.controller import Controller
from mpc_controller.node.controller_node import FIRST_RESIDUAL, ControllerOptions, control_job, fused_task
from mpc_controller.node.introduction import Introduction
from mpc_controller.node.replay import replay
from mpc_controller.solvers import SOLVERS
from tests.control.machines import SledSolver, sled, task
from tests.model.residuals import linear_residual, random_residual
from tests.node.loop import DirectLink, SledPlant, run

PORT = ResidualPort(("velocity",), ("m/s",), ("force",), ("N",), lambda x, u, p: x[1], lambda x, u, p, r: ca.vertcat(0, r / p))
ROBOT = sled(residual_port=PORT)
GUARD = Guard(np.array([-3.0]), np.array([3.0]), np.ones(1), np.eye(1), 100.0, np.ones(1), np.array([10.0]))
DRAG, PUSH = 3.0, 0.8  # N s/m, m/s²


class DraggedSled(SledPlant):
    """A sled of its model's mass with a drag of −DRAG v [N]."""

    def apply(self, u: Array) -> None:
        v = self.state[1]
        force = u[0] - DRAG * v
        self.commands.append(u.copy())
        self.state = self.state + 0.002 * np.array([v, force / 2.0 + PUSH])


def ignorant(**changes: object) -> Residual:
    named = {"robot": "sled", "model_hash": ROBOT.model_hash, "parameters": ROBOT.dynamics.nominal.parameters.as_dict()}
    named |= {"feature_names": PORT.feature_names, "output_names": PORT.output_names, "guard": GUARD, "family": "linear"}
    return replace(linear_residual(np.zeros((1, 1))), **(named | changes))  # type: ignore[arg-type]


def options(residual: Residual, **changes: object) -> ControllerOptions:
    return replace(ControllerOptions("multiple-shooting", residual=residual, adapts_residual=True), **changes)  # type: ignore[arg-type]


def moved(chosen: ControllerOptions, duration_s: float = 8.0, said: dict[int, Message] | None = None) -> DirectLink:
    """The sled, sent to and fro."""
    work = fused_task(ROBOT, task(), chosen.residual)
    machine = Controller(control_job(ROBOT, work, SOLVERS["multiple-shooting"](work.problem), chosen), epoch=3)
    machine.plan = partial(machine.plan, has_deadline=False)  # type: ignore[method-assign]
    link = DirectLink(machine)

    def before(observation: Observation) -> None:
        k = observation.sequence
        words = [m for at, m in (said or {}).items() if at == k]
        if k % 250 == 20:
            words.append(Reference(k, 2**62, np.array([0.7 if k // 250 % 2 else -0.7])))
        for word in words:
            link.sent.append(word)
            machine.accept(word)

    link.before = before
    run(DraggedSled(push=PUSH), link, duration_s, ROBOT)
    return link


def learned(link: DirectLink) -> Residual:
    assert link.controller is not None
    adaptation = link.controller._job.adaptation
    assert adaptation is not None
    return adaptation.residual


def test_drag_and_push_are_learned_and_the_disturbance_has_nothing_left_to_say():
    link = moved(options(ignorant()))
    network = learned(link).networks[0]
    assert network.weights[0] == pytest.approx(-DRAG, rel=0.1)
    assert network.biases[0] == pytest.approx(2.0 * PUSH, rel=0.1)
    without = moved(options(ignorant(), adapts_residual=False))
    left, all_of_it = (np.abs([p.disturbance[0] for p in link_.of(Plan)[-200:]]).mean() for link_ in (link, without))  # type: ignore[attr-defined]
    assert left < 0.3 * all_of_it


def test_a_run_that_adapts_is_replayed_to_the_last_bit():
    first = ignorant()
    link = moved(options(first), 2.0)
    stream = [ParameterUpdate(FIRST_RESIDUAL, {}, residual_bytes(first)), *link.sent]
    work = fused_task(ROBOT, task(), first)
    solver = SOLVERS["multiple-shooting"](work.problem)
    report = replay(stream, ROBOT, work, solver, options(first))
    assert report.plans > 100
    assert report.is_identical
    assert not replay(stream, ROBOT, work, solver, options(first, adapts_residual=False)).is_identical


def test_another_residual_on_the_bus_is_where_it_learns_on():
    other = replace(ignorant(), networks=linear_residual(np.array([[-2.5]])).networks)
    link = moved(options(ignorant()), 0.24, {100: ParameterUpdate(7, {}, residual_bytes(other))})
    assert learned(link).networks[0].weights[0] == pytest.approx(-2.5, abs=0.4)


def test_what_cannot_adapt_is_refused_before_anything_starts():
    network = ignorant(
        shape=(shape := ResidualShape(mlp_shape(1, (4,), 1))), networks=random_residual(shape).networks, family="mlp"
    )
    for residual, changes, reason in (
        (network, {}, "only a linear residual adapts in the loop; this one is of the family mlp"),
        (ignorant(), {"estimator": "passthrough"}, "the estimator 'passthrough' does not give; 'ekf' does"),
        (None, {}, "there is no residual to adapt"),
    ):
        work = fused_task(ROBOT, task(), residual)
        with pytest.raises(ResidualError, match=reason):
            control_job(ROBOT, work, SledSolver(work.problem), options(residual, **changes))  # type: ignore[arg-type]


def test_the_controller_says_in_its_introduction_that_it_adapts():
    for adapts in (True, False):
        told = Introduction(100.0, 500.0, "ekf", {"mass": 2.0}, adapts_residual=adapts)
        assert Introduction.of(told.event("sled", 1, 0.1)) == told
