"""Functions of several points at once give at every point what they give there alone."""

from __future__ import annotations

import ctypes
from importlib.resources import files
from pathlib import Path

import casadi as ca
import numpy as np
import pytest

from mpc_controller.native.build import Source, build_library
from mpc_controller.native.lanes import generate_lanes
from mpc_controller.solvers.stage_functions import StageFunctions
from robots import ROBOTS, load_robot

POINTS = 8  # a whole number of vectors on every processor


def _aligned(rows: int, lanes: int) -> np.ndarray:
    """(rows, lanes) zeros on a vector's boundary."""
    raw = np.zeros(rows * lanes + lanes)
    start = (-raw.ctypes.data // 8) % lanes
    return raw[start : start + rows * lanes].reshape(rows, lanes)


def _evaluate(function: ca.Function, arguments: list[np.ndarray]) -> list[np.ndarray]:
    """The function compiled for lanes, called for a vector of points at a time: (POINTS, entries) → (POINTS, entries)."""
    text = generate_lanes([function])
    assert text is not None
    text += "int lanes(void) { return LANES; }\n"
    kernels = Path(str(files("mpc_controller.native") / "kernels"))
    headers = [Source(name, (kernels / name).read_text()) for name in ("linalg.h", "lanes.h")]
    library = build_library("lanes", text, lambda: [*headers, Source("lanes.c", text, "-O1")], lambda line: None).library
    lanes = library.lanes()
    inputs = [_aligned(a.shape[1], lanes) for a in arguments]
    outputs = [_aligned(function.nnz_out(i), lanes) for i in range(function.n_out())]
    work = _aligned(function.sz_w() + 1, lanes)
    results = [np.zeros((POINTS, function.nnz_out(i))) for i in range(function.n_out())]
    pointers = [
        (ctypes.c_void_p * size)(*(a.ctypes.data for a in arrays))
        for arrays, size in ((inputs, function.sz_arg()), (outputs, function.sz_res()))
    ]
    call = library[f"{function.name()}_lanes"]
    for first in range(0, POINTS, lanes):
        points = slice(first, first + lanes)
        for array, value in zip(inputs, arguments, strict=True):
            array[...] = value[points].T
        assert call(*pointers, None, ctypes.c_void_p(work.ctypes.data), 0) == 0
        for result, array in zip(results, outputs, strict=True):
            result[points] = array.T
    return results


@pytest.mark.parametrize("robot_name", ROBOTS)
def test_stage_functions_agree_with_casadi_in_every_lane(robot_name: str) -> None:
    robot = load_robot(robot_name)
    problem = robot.tasks[robot.default_task]().problem
    rng = np.random.default_rng(0)
    for function in StageFunctions(problem).functions():
        if function.name() not in ("ocp_path", "ocp_path_value"):
            continue
        states = robot.tasks[robot.default_task]().initial_state
        near = problem.dynamics.manifold.retract(states, 0.3 * rng.normal(size=(2, POINTS, problem.dynamics.manifold.ndx)))
        controls = robot.neutral + 0.1 * rng.normal(size=(POINTS, problem.dynamics.nu))
        parameters = np.tile(np.nan_to_num(problem.parameters.values, posinf=1e3, neginf=-1e3), (POINTS, 1))
        reference, dt = rng.normal(size=(POINTS, problem.nr)), rng.uniform(0.01, 0.1, (POINTS, 1))
        arguments = [near[0], controls, near[1], parameters, reference, dt]
        given = _evaluate(function, arguments)
        for lane in range(POINTS):
            expected = function.call([ca.DM(a[lane]) for a in arguments])
            for value, wanted in zip(given, expected, strict=True):
                wanted_entries = np.array(wanted.nonzeros())
                scale = 1 + np.abs(wanted_entries).max(initial=0)
                np.testing.assert_allclose(value[lane], wanted_entries, rtol=1e-11, atol=1e-12 * scale)


def test_every_operation_with_a_translation_gives_its_value() -> None:
    x, y = ca.SX.sym("x"), ca.SX.sym("y")
    terms = [
        x + y, x - y, x * y, x / y, -x, x**2, ca.sqrt(y), ca.fabs(x), ca.exp(x), ca.log(y), ca.atan(x), ca.atan2(x, y),
        ca.tan(x), ca.tanh(x), ca.sinh(x), ca.cosh(x), ca.asin(x / 9), ca.acos(x / 9), ca.floor(x), ca.ceil(x), y**x,
        ca.fmin(x, y), ca.fmax(x, y), x < y, x <= y, ca.if_else(x < 0, y, x), ca.logic_and(x < 1, y < 1),
        ca.logic_or(x < 0, y < 1), ca.logic_not(x < 0), x == y, x != y, ca.SX(2.5),
    ]  # fmt: skip
    function = ca.Function("terms", [x, y], [ca.densify(ca.vertcat(*terms))])
    rng = np.random.default_rng(1)
    xs, ys = 3 * rng.normal(size=(POINTS, 1)), rng.uniform(0.1, 3, (POINTS, 1))
    (given,) = _evaluate(function, [xs, ys])
    expected = np.array([function(a.item(), b.item()).full().ravel() for a, b in zip(xs, ys, strict=True)])
    np.testing.assert_allclose(given, expected, rtol=4e-16 * 8, atol=1e-15)


def test_angles_of_every_size_have_the_sine_and_cosine_of_the_library() -> None:
    x = ca.SX.sym("x")
    function = ca.Function("turned", [x], [ca.vertcat(ca.sin(x), ca.cos(x))])
    rng = np.random.default_rng(2)
    for scale in (1e-300, 1e-8, 1.0, 1e2, 1e5, 1e9, 1e300):
        angles = scale * rng.normal(size=(POINTS, 1))
        (given,) = _evaluate(function, [angles])
        np.testing.assert_allclose(given[:, 0], np.sin(angles[:, 0]), rtol=1e-15, atol=3e-16)
        np.testing.assert_allclose(given[:, 1], np.cos(angles[:, 0]), rtol=1e-15, atol=3e-16)
    multiples = np.arange(-POINTS // 2, POINTS // 2)[:, None] * np.pi / 2
    (given,) = _evaluate(function, [multiples])
    np.testing.assert_allclose(given[:, 0], np.sin(multiples[:, 0]), rtol=1e-14, atol=1e-30)
    (given,) = _evaluate(function, [np.array([np.nan, np.inf, -np.inf, 0, 0, 0, 0, 0])[:, None]])
    assert np.isnan(given[:3]).all()
    np.testing.assert_array_equal(given[3:], [[0.0, 1.0]] * 5)


def test_a_function_without_translation_is_left_alone() -> None:
    x = ca.SX.sym("x")
    assert generate_lanes([ca.Function("error_function", [x], [ca.erf(x)])]) is None
