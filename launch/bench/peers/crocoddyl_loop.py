"""Closed loop of Crocoddyl's BoxFDDP on the arm, one iteration a step: a program of its own.

Crocoddyl 3.2.1 and Pinocchio 4.1.0 crash together, so it may have to live in another environment than this package, whose
Python runs this file. Reads the problem as JSON on stdin and writes times [µs] and costs as JSON to stdout; see box_fddp.py.

The cost is integrated by the Runge-Kutta scheme with the state, where ours is held over the interval; torques have bounds,
velocities have none.
"""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

import crocoddyl
import numpy as np
import numpy.typing as npt
import pinocchio

from launch.bench.stopwatch import Stopwatch

Array = npt.NDArray[np.float64]


def shooting_problem(spec: dict[str, Any], model: Any) -> Any:
    """The arm's optimal control problem in Crocoddyl's terms."""
    state = crocoddyl.StateMultibody(model)
    actuation = crocoddyl.ActuationModelFull(state)
    path = crocoddyl.DifferentialActionModelFreeFwdDynamics(state, actuation, _costs(spec, model, state, with_torques=True))
    end = crocoddyl.DifferentialActionModelFreeFwdDynamics(state, actuation, _costs(spec, model, state, with_torques=False))
    running = crocoddyl.IntegratedActionModelRK(path, crocoddyl.RKType.four, spec["dt"])
    limit = np.array(spec["torque_limit"])
    running.u_lb, running.u_ub = -limit, limit
    terminal = crocoddyl.IntegratedActionModelEuler(end, 0.0)
    return crocoddyl.ShootingProblem(np.array(spec["starts"][0]), [running] * spec["N"], terminal)


def _costs(spec: dict[str, Any], model: Any, state: Any, *, with_torques: bool) -> Any:
    """½ w ‖tool − target‖² + ½ ‖x − x_home‖²_W (+ ½ w ‖u − u_hold‖²)."""
    costs = crocoddyl.CostModelSum(state)
    frame = model.getFrameId(spec["tool"])
    tool = crocoddyl.ResidualModelFrameTranslation(state, frame, np.array(spec["target"]))
    costs.addCost("tool", crocoddyl.CostModelResidual(state, tool), spec["position_weight"])
    weights = np.repeat([spec["angle_weight"], spec["velocity_weight"]], model.nv)
    activation = crocoddyl.ActivationModelWeightedQuad(weights)
    posture = crocoddyl.ResidualModelState(state, np.array(spec["home"]))
    costs.addCost("posture", crocoddyl.CostModelResidual(state, activation, posture), 1.0)
    if with_torques:
        torque = crocoddyl.ResidualModelControl(state, np.array(spec["holding"]))
        costs.addCost("torque", crocoddyl.CostModelResidual(state, torque), spec["torque_weight"])
    return costs


def step(model: Any, data: Any, x: Array, u: Array, dt: float) -> Array:
    """One Runge-Kutta step of order 4 of the plant."""

    def f(x: Array) -> Array:
        return np.concatenate([x[model.nq :], pinocchio.aba(model, data, x[: model.nq], x[model.nq :], u)])

    k1 = f(x)
    k2 = f(x + dt / 2 * k1)
    k3 = f(x + dt / 2 * k2)
    k4 = f(x + dt * k3)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def stage_cost(spec: dict[str, Any], model: Any, data: Any, x: Array, u: Array) -> float:
    """The path cost of one interval, as the other solvers' loops count it."""
    pinocchio.framesForwardKinematics(model, data, x[: model.nq])
    tool = data.oMf[model.getFrameId(spec["tool"])].translation - np.array(spec["target"])
    weights = np.repeat([spec["angle_weight"], spec["velocity_weight"]], model.nv)
    posture, torque = x - np.array(spec["home"]), u - np.array(spec["holding"])
    squares = spec["position_weight"] * tool @ tool + posture @ (weights * posture) + spec["torque_weight"] * torque @ torque
    return float(spec["dt"] / 2 * squares)


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """All episodes: the first solve of each goes to convergence and is not timed, the others make one iteration."""
    model = pinocchio.buildModelFromUrdf(spec["urdf"])
    data = model.createData()
    problem = shooting_problem(spec, model)
    solver = crocoddyl.SolverBoxFDDP(problem)
    noise = np.random.default_rng(spec["noise_seed"])
    watch = Stopwatch()
    micros: list[float] = []
    costs: list[float] = []
    for start in spec["starts"]:
        x, cost = np.array(start), 0.0
        states, controls = [x] * (spec["N"] + 1), [np.array(spec["holding"])] * spec["N"]
        for k in range(spec["steps"]):
            problem.x0 = x
            states[0] = x
            watch.start()
            solver.solve(states, controls, 1 if k else spec["max_iterations"], False)
            elapsed = watch.stop()
            if k:
                micros.append(elapsed)
            states, controls = list(solver.xs), list(solver.us)
            cost += stage_cost(spec, model, data, x, controls[0])
            x = step(model, data, x, controls[0], spec["dt"])
            x = x + noise.uniform(-1, 1, len(x)) * np.array(spec["noise"])
        costs.append(cost)
    version = f"crocoddyl {crocoddyl.__version__}, pinocchio {pinocchio.__version__}"
    return {"micros": micros, "costs": costs, "interrupted": watch.interrupted, "version": version}


if __name__ == "__main__":
    gc.disable()
    json.dump(run(json.load(sys.stdin)), sys.stdout)
