"""Networks in C beside NumPy, and what a residual costs a real-time iteration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np

from launch.bench.flops import peak_gflops
from launch.bench.pinned import pinned
from mpc_controller.arrays import Array
from mpc_controller.model.residual.fused import FusedTerm
from mpc_controller.model.residual.network import Array32, Network, NetworkShape, mlp_shape
from mpc_controller.model.residual.residual import Guard, Residual, ResidualShape
from mpc_controller.native.native_residual import NativeResidual
from mpc_controller.native.residual_code import pack
from mpc_controller.robot import Task
from mpc_controller.solvers import SOLVERS
from mpc_controller.solvers.solver import Solver
from mpc_controller.solvers.trajectory import Trajectory
from robots import load_robot

STAGES, INPUTS, OUTPUTS = 20, 16, 12
HIDDEN = {"2x64": (64,) * 2, "5x128": (128,) * 5, "12x512": (512,) * 12}
TARGET_US = {"2x64": 30.0, "5x128": 300.0, "12x512": 10_000.0}
TARGET_RATIO, TARGET_5X128_US, TARGET_LOAD_MS = 1.5, 2000.0, 100.0
_LOADED = "3x512"
_CHANCE = 0.95
_SMALL = 1e-6  # of random weights in the loop: torques in N m turn 2e-5 kg m², so that plans stay what they are


def network_rows(progress: Callable[[str], None], *, is_quick: bool) -> list[dict[str, Any]]:
    """Values and Jacobians of all stages in one call, in turn with NumPy; times of whole calls from Python."""
    peak = 2 * peak_gflops(progress)  # a vector has twice as many numbers in single precision
    rows = []
    for name, hidden in HIDDEN.items():
        progress(f"network {name}")
        residual = random_residual(mlp_shape(INPUTS, hidden, OUTPUTS))
        native, packed = NativeResidual(residual.shape, progress, batch=STAGES), pack(residual)
        z = np.random.default_rng(1).standard_normal((STAGES, INPUTS))
        calls = (5 if is_quick else 40) if max(hidden) > 256 else (20 if is_quick else 1000)
        numpy = partial(numpy_jacobian, residual.networks[0], z.astype(np.float32))
        own, other = _in_turn(calls, partial(native.jacobians, packed, z), numpy)
        operations = _operations(residual.shape.network)
        rows.append(
            {
                "kind": "network",
                "network": name,
                "stages": STAGES,
                "median_us": float(np.median(own)),
                "p99_us": float(np.quantile(own, 0.99)),
                "numpy_us": float(np.median(other)),
                "operations": operations,
                "gflops": operations / float(np.median(own)) * 1e-3,
                "share_of_peak": operations / float(np.median(own)) * 1e-3 / peak,
                "peak_gflops": peak,
                "load_ms": _load_ms(residual),
            }
        )
    rows.append(_load_row())
    return rows


def loop_rows(progress: Callable[[str], None], *, is_quick: bool) -> list[dict[str, Any]]:
    """The quadrotor's figure eight along its own plans: real-time iterations without a residual and with two, in turn; with the
    smaller one also where all constraints are to hold with a probability."""
    robot = load_robot("quadrotor")
    task, port = robot.tasks["figure-eight"](), robot.residual_port
    assert port is not None
    loops = {"": _Loop(task, None)}
    for name, chance in (("2x64", None), ("2x64", _CHANCE), ("5x128", None)):
        progress(f"quadrotor with {name}")
        residual = random_residual(mlp_shape(port.nz, HIDDEN[name], port.nr), _SMALL)
        rows = tuple(replace(constraint, chance=chance) for constraint in task.problem.path_constraints)
        problem = replace(task.problem, residual=FusedTerm(port, residual.shape), path_constraints=rows)
        loops[name if chance is None else f"{name}, chance {chance:g}"] = _Loop(replace(task, problem=problem), residual)
    times: dict[str, list[float]] = {name: [] for name in loops}
    with pinned():
        for _ in range(20 if is_quick else 600):
            for name, loop in loops.items():
                times[name].append(loop.step_us())
    middle = {name: float(np.median(t[5:])) for name, t in times.items()}
    return [
        {
            "kind": "loop",
            "network": name or "none",
            "median_us": middle[name],
            "p99_us": float(np.quantile(times[name][5:], 0.99)),
            "ratio": middle[name] / middle[""],
        }
        for name in loops
    ]


def random_residual(shape: NetworkShape, size: float = 1.0) -> Residual:
    """Weights by the common rule, times `size` in the last layer; a guard that lets everything through."""
    random, nz, nr = np.random.default_rng(0), shape.inputs, shape.outputs
    weights = [
        (random.standard_normal((layer.outputs, layer.inputs)) / np.sqrt(layer.inputs)).astype(np.float32)
        for layer in shape.layers
    ]
    weights[-1] *= np.float32(size)
    network = Network(shape, tuple(weights), tuple(np.zeros(layer.outputs, np.float32) for layer in shape.layers))
    far, ones = np.full(nz, 1e6), np.ones(nr)
    return Residual(
        shape=ResidualShape(shape),
        networks=(network,),
        center=np.zeros(nz),
        scale=np.ones(nz),
        guard=Guard(-far, far, np.ones(nz), np.eye(nz), 1e12, ones, 1e6 * ones),
        family="mlp",
        robot="bench",
        model_hash="",
        parameters={},
        feature_names=tuple(f"z{i}" for i in range(nz)),
        output_names=tuple(f"r{i}" for i in range(nr)),
        accepted=True,
    )


def numpy_jacobian(network: Network, z: Array32) -> tuple[Array32, Array32]:
    """The same in NumPy: y (n, nr) and ∂y/∂z (n, nr, nz) of a tanh network, batched, in single precision."""
    slopes, y = [], z
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        y = np.tanh(y @ weight.T + bias)
        slopes.append(1 - y * y)
    last = network.weights[-1]
    y = y @ last.T + network.biases[-1]
    back = last[None] * slopes[-1][:, None]
    for weight, slope in zip(network.weights[-2:0:-1], slopes[-2::-1], strict=True):
        back = (back.reshape(-1, weight.shape[0]) @ weight).reshape(len(z), len(last), -1) * slope[:, None]
    return y, (back.reshape(-1, back.shape[2]) @ network.weights[0]).reshape(len(z), len(last), -1)


@final
@dataclass
class _Loop:
    """A solver that steps along its own plans, 10 ms at a time."""

    task: Task
    residual: Residual | None

    def __post_init__(self) -> None:
        problem = self.task.problem
        self._solver: Solver = SOLVERS["multiple-shooting"](problem)
        if self.residual is not None:
            self._solver.load_residual(self.residual)
        self._x, self._k = self.task.initial_state.copy(), 0
        self._x[2], self._x[13:] = 1.0, 0.066  # in the air, rotors at hover
        times = np.rint(problem.times * 1e9).astype(np.int64)
        self._guess = Trajectory.constant(problem.dynamics.manifold, times, self._x, self._x[13:])

    def step_us(self) -> float:
        problem = self.task.problem
        reference: Array = self.task.reference(problem.times + 5.0 + 0.01 * self._k)
        begun = time.perf_counter_ns()
        solution = self._solver.solve(self._x, problem.parameters.values, reference, self._guess)
        spent = time.perf_counter_ns() - begun
        self._k += 1
        after = int(solution.trajectory.times[0]) + 10_000_000
        self._x, self._guess = solution.trajectory.at(after)[0], solution.trajectory.shifted(after)
        return spent * 1e-3


def _in_turn(calls: int, *functions: Callable[[], object]) -> Iterator[Array]:
    """Times of each [µs], called one after the other again and again."""
    times = np.empty((len(functions), calls))
    with pinned():
        for function in functions:
            function()
        for k in range(calls):
            for i, function in enumerate(functions):
                begun = time.perf_counter_ns()
                function()
                times[i, k] = (time.perf_counter_ns() - begun) * 1e-3
    return iter(times)


def _operations(shape: NetworkShape) -> int:
    """Multiplications and additions of values and Jacobians for all stages; the last layer's part of the sweep is a copy."""
    forward = sum(layer.inputs * layer.outputs for layer in shape.layers)
    back = sum(layer.inputs * layer.outputs for layer in shape.layers[:-1]) * shape.outputs
    return 2 * STAGES * (forward + back)


def _load_ms(residual: Residual) -> float:
    begun = time.perf_counter_ns()
    pack(residual)
    return (time.perf_counter_ns() - begun) * 1e-6


def _load_row() -> dict[str, Any]:
    return {"kind": "load", "network": _LOADED, "load_ms": _load_ms(random_residual(mlp_shape(INPUTS, (512,) * 3, OUTPUTS)))}
