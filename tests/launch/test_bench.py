"""The benchmark measures what it says: the right problems, honest checks, ratios and counts."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Self

import casadi as ca
import numpy as np
import pytest

from launch.bench.builds import building_with, empty_cache, toolchains
from launch.bench.comparison import compare, shortfalls
from launch.bench.flops import operations, operations_of
from launch.bench.measure import Effort
from launch.bench.peers.box_fddp import PeerError, box_fddp_row
from launch.bench.peers.textbook import TextbookShooting
from launch.bench.plan_check import PlanCheck
from launch.bench.problems import PROBLEMS
from launch.bench.row import Mode, Row
from mpc_controller.problem.optimal_control_problem import OptimalControlProblem
from mpc_controller.solvers.trajectory import Trajectory
from tests.launch.command import ROOT, run

SHARED = ROOT / "../shared/bench/problems.py"


@pytest.fixture(scope="module")
def shared() -> ModuleType:
    """The definitions that others were measured on, where they are at hand."""
    if not SHARED.is_file():
        pytest.skip(f"no {SHARED}")
    specification = importlib.util.spec_from_file_location("shared_problems", SHARED)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    # Its own leaves the file open, and warnings are errors here.
    module.panda_params = lambda: json.loads(SHARED.with_name("panda_params.json").read_text())  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_reference_problems_are_those_that_others_were_measured_on(shared: ModuleType, name: str) -> None:
    case, other = PROBLEMS[name](), shared.ALL[name]()
    check, rng = PlanCheck(case.problem), np.random.default_rng(0)
    assert (case.problem.N, case.episodes, case.steps) == (other.N, other.episodes, other.steps)
    for ours, theirs in (
        (np.array(case.start_states()), np.array(shared.start_states(other))),
        (case.initial_control, other.u0),
        (case.noise, other.noise),
        (np.array(case.problem.grid), np.full(other.N, other.dt)),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    for _ in range(20):
        states = other.x0 + rng.uniform(-1, 1, (other.N + 1, other.nx))
        controls = other.u0 + rng.uniform(-1, 1, (other.N, other.nu)) * 1.5 * other.ubu
        following, cost = check.step(states[0], controls[0])
        np.testing.assert_allclose(following, np.asarray(other.F(states[0], controls[0])).ravel(), rtol=1e-10, atol=1e-10)
        assert cost == pytest.approx(float(other.l(states[0], controls[0])), rel=1e-10)
        plan = Trajectory(case.problem.dynamics.manifold, case.cold_guess(other.x0).times, states, controls)
        assert check(plan) == pytest.approx(shared.evaluate(other, states, controls, states[0]), rel=1e-10)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_best_known_cost_is_what_ipopt_finds(name: str) -> None:
    case = PROBLEMS[name]()
    state, parameters, reference = case.initial_state, case.problem.parameters.values, np.zeros((case.problem.N + 1, 0))
    solution = TextbookShooting(case.problem, "ipopt").solve(state, parameters, reference, case.cold_guess(state))
    cost, violation = PlanCheck(case.problem)(solution.trajectory)
    assert solution.is_usable
    assert cost == pytest.approx(case.optimum, rel=1e-6)
    assert violation < 1e-6


def test_the_check_of_a_plan_names_its_largest_violation() -> None:
    case = PROBLEMS["racecar"]()
    still = np.array([0.0, 0.3, 0.0, 0.0, 0.0])  # a car that stands is a solution of its dynamics
    plan = case.cold_guess(still)
    check = PlanCheck(case.problem)
    assert check(plan)[1] == 0.0
    plan.controls[7, 1] = 3.25  # 0.25 rad/s beyond the bound; the steering that follows is missed by 3.25 · 0.05 s
    assert check(plan)[1] == pytest.approx(0.25)
    plan.states[:, 0] = 2.5  # 0.2 m from the obstacle's centre, whose radius is 0.5 m
    assert check(plan)[1] == pytest.approx(0.25)
    plan.states[:, 3] = -0.75
    assert check(plan)[1] == pytest.approx(0.75)


def _row(solver: str, mode: Mode, median: float, p99: float, **more: object) -> Row:
    return Row("quadrotor", solver, mode, median_us=median, p99_us=p99, **more)  # type: ignore[arg-type]


def test_a_recorded_time_is_scaled_to_this_machine() -> None:
    row = _row("multiple-shooting", Mode.RTI, 32.0, 129.0)
    comparison = compare(row, [row], scale=2.0)  # acados: 128 and 258 µs
    assert comparison is not None
    assert (comparison.ratio_median, comparison.ratio_p99) == pytest.approx((32 / 256, 129 / 516))
    assert not comparison.is_met  # the median is, the 99th percentile is not
    assert shortfalls(row, comparison) == ["time"]


def test_of_a_reference_that_is_measured_and_recorded_the_faster_counts() -> None:
    row = _row("collocation", Mode.WARM, 1000.0, 1000.0)
    slow, fast = (_row("fatrop radau-3", Mode.WARM, median, median, peer=True) for median in (44000.0, 10000.0))
    for peer, ratio, source in ((slow, 1 / 22, "recorded"), (fast, 1 / 10, "measured")):
        comparison = compare(row, [row, peer], scale=1.0)
        assert comparison is not None
        assert (comparison.ratio_median, comparison.source) == (pytest.approx(ratio), source)
        assert compare(peer, [row, peer], scale=1.0) is None


def test_failures_costs_and_slow_builds_miss_the_target_too() -> None:
    good = _row("multiple-shooting", Mode.RTI, 1.0, 1.0, cost=137.0, costs=(137.0,) * 4, build_s=1.0, cached_s=0.1)
    bad = _row("lqr", Mode.RTI, 1.0, 1.0, cost=138.0, costs=(138.0,) * 4, build_s=2.0, cached_s=0.3, failures=1)
    assert shortfalls(good, compare(good, [good], 1.0)) == []
    assert shortfalls(bad, compare(bad, [bad], 1.0)) == ["failures", "cost", "build", "cached build"]


def test_operations_of_a_function_count_those_of_the_functions_it_calls_each_time() -> None:
    x = ca.SX.sym("x", 2)
    inner = ca.Function("inner", [x], [x[0] * x[1] + ca.sin(x[0])], {"never_inline": True})
    assert operations_of(inner) == 3
    assert operations_of(ca.Function("outer", [x], [inner(x) / inner(x + 1)])) == 3 + 3 + 2 + 1


class _Counted:
    """A number that counts what is done with it."""

    count = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def _result(self, value: float) -> Self:
        _Counted.count += 1
        return type(self)(value)

    def __add__(self, other: _Counted) -> Self:
        return self._result(self.value + other.value)

    def __sub__(self, other: _Counted) -> Self:
        return self._result(self.value - other.value)

    def __mul__(self, other: _Counted) -> Self:
        return self._result(self.value * other.value)


def _counted(shape: tuple[int, ...]) -> np.ndarray:
    values = [_Counted(float(value)) for value in np.random.default_rng(0).uniform(size=int(np.prod(shape)))]
    return np.array(values, dtype=object).reshape(shape)


def test_the_formula_for_a_factorisation_is_what_a_plain_one_does() -> None:
    """A product of n terms is counted with n additions, the first onto what is there already."""
    problem: OptimalControlProblem = PROBLEMS["quadrotor"]().problem
    nx, nu = 13, 4
    nz = nx + nu
    P, transition, W = _counted((nx, nx)), _counted((nx, nz)), _counted((nz, nz))
    product = _counted((nx, nz))
    _Counted.count = 0
    for i, j, k in np.ndindex(nx, nz, nx):
        product[i, j] = product[i, j] + P[i, k] * transition[k, j]
    for i, j, k in np.ndindex(nz, nz, nx):
        if i >= j:
            W[i, j] = W[i, j] + transition[k, i] * product[k, j]
    for j in range(nu):
        scale = W[j, j] - W[j, j]  # stands for the root and the reciprocal
        for i in range(j + 1, nz):
            W[i, j] = W[i, j] * scale
            for k in range(j + 1, i + 1):
                W[i, k] = W[i, k] - W[i, j] * W[k, j]
    assert operations(problem).factorization == problem.N * _Counted.count


def test_a_toolchain_holds_for_what_is_built_inside_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "mine")
    monkeypatch.delenv("MPC_MARCH", raising=False)
    portable = toolchains()[-1]
    with building_with(portable), empty_cache():
        assert (os.environ["CC"], os.environ["MPC_MARCH"]) == (portable.command, portable.architecture)
        assert not list(Path(os.environ["MPC_CACHE_DIR"]).iterdir())
    assert os.environ["CC"] == "mine"
    assert "MPC_MARCH" not in os.environ


def _python(folder: Path, body: str) -> str:
    """A program that stands for a Python in which something is wrong."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: _python(folder, "echo 'No module named crocoddyl' >&2; exit 1"), "No module named crocoddyl"),
        (lambda folder: _python(folder, "kill -SEGV $$"), "ended with code -11"),
        (lambda folder: str(folder / "absent"), "No such file"),
    ],
)
def test_a_peer_that_cannot_run_says_why(tmp_path: Path, make: Callable[[Path], str], message: str) -> None:
    with pytest.raises(PeerError, match=message):
        box_fddp_row(PROBLEMS["arm"](), Effort(), make(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--problem", "cartpol"], "error: no problem 'cartpol'; there are cartpole, quadrotor, arm, racecar\n"),
        (["--solver", "magic"], "error: no solver 'magic'; there are "),
        (["--json", "absent/out.json"], "cannot be written"),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(arguments: list[str], message: str) -> None:
    result = run("bench", "solvers", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not result.stdout


def test_a_quick_run_gives_a_table_and_rows(tmp_path: Path) -> None:
    chosen = ("--problem", "racecar", "--solver", "multiple-shooting", "--solver", "fatrop")
    result = run("bench", "solvers", "--quick", *chosen, "--json", str(tmp_path / "out.json"))
    assert result.returncode == 0, result.stderr
    assert "racecar: nx 5, nu 2, N 50" in result.stdout
    rows = json.loads((tmp_path / "out.json").read_text())
    kinds = {(row["problem"], row["solver"], row["mode"], row["peer"]) for row in rows}
    assert kinds == {("racecar", "multiple-shooting", mode, False) for mode in ("cold", "warm", "rti")} | {
        ("racecar", "fatrop", mode, True) for mode in ("cold", "warm")
    }
    for row in rows:
        assert row["failures"] == 0
        assert 0 < row["median_us"] <= row["p99_us"] <= row["max_us"]
        assert row["violation"] < (1e-6 if row["mode"] != "rti" else 1)
        if row["mode"] == "cold":
            assert row["cost"] == pytest.approx(PROBLEMS["racecar"]().optimum, rel=1e-6)
