"""A problem checks itself when it is made, and knows what may change at run time."""

import math
import re
from dataclasses import dataclass

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.dynamics import DifferentiatedDynamics, DisturbedDynamics, Dynamics
from mpc_controller.model.integrators import ExplicitEuler, Integrator
from mpc_controller.model.manifold import Euclidean
from mpc_controller.model.parameters import Parameter, ParameterError, Parameters
from mpc_controller.problem.constraint import Constraint, Soft, control_bounds, state_bounds
from mpc_controller.problem.cost import GeneralCost, LeastSquares, ProblemError
from tests.problem.double_integrator import DoubleIntegrator, problem


def test_times_add_up_a_grid_that_need_not_be_uniform():
    np.testing.assert_allclose(problem(grid=(0.1, 0.2, 0.4)).times, [0.0, 0.1, 0.3, 0.7])


def test_everything_that_may_change_at_run_time_is_one_table_in_a_known_order():
    p = problem(
        path_constraints=(control_bounds((-1.0,), (2.0,)),),
        extra_parameters=Parameters((Parameter("wind", 3.0, "m/s"),)),
    ).parameters
    assert p.names == (
        *("m", "wind", "weight.state[0]", "weight.state[1]", "weight.effort[0]"),
        *("lower.control[0]", "upper.control[0]"),
    )
    np.testing.assert_array_equal(p.values, [1.0, 3.0, 1.0, 0.1, 0.01, -1.0, 2.0])


def test_infinite_bounds_are_parameters_too():
    p = problem(path_constraints=(state_bounds((0,), (-math.inf,), (1.0,), "wall"),)).parameters
    assert p["lower.wall[0]"].value == -math.inf


@pytest.mark.parametrize("grid", [(), (0.1, 0.0), (0.1, -0.1), (math.nan,), (math.inf,)])
def test_a_grid_without_time_is_refused(grid):
    with pytest.raises(ProblemError, match="grid"):
        problem(grid=grid)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path_costs": ()}, "no cost"),
        ({"terminal_costs": (LeastSquares("state", lambda s: s.x, (1.0, 1.0)),)}, r"named twice: \['state'\]"),
        (
            {"path_costs": (LeastSquares("state", lambda s: s.x, (1.0,)),)},
            r"cost 'state' gives shape \(2, 1\); expected \(1, 1\)",
        ),
        ({"path_costs": (GeneralCost("state", lambda s: s.x),)}, r"cost 'state' gives shape \(2, 1\); expected \(1, 1\)"),
        ({"terminal_costs": (GeneralCost("end", lambda s: s.u**2),)}, "terminal cost 'end' uses controls"),
        ({"path_costs": (LeastSquares("state", lambda s: 1.0, (1.0, 1.0)),)}, r"cost 'state' gives shape \(1, 1\)"),
        ({"path_costs": (LeastSquares("state", lambda s: s.x.T, (1.0, 1.0)),)}, r"cost 'state' gives shape \(1, 2\)"),
        (
            {"path_costs": (GeneralCost("nothing", lambda s: None),)},
            "cost 'nothing' gives a NoneType; it must give a CasADi SX",
        ),
        ({"path_costs": (GeneralCost("list", lambda s: [s.x[0]]),)}, "cost 'list' gives a list; it must give a CasADi SX"),
        (
            {"path_costs": (GeneralCost("far", lambda s: s.x[7]),)},
            "cost 'far' cannot be evaluated: RuntimeError: .*out of bounds",
        ),
        ({"path_costs": (GeneralCost("typo", lambda s: s.velocity),)}, "cost 'typo' cannot be evaluated: AttributeError"),
        (
            {"path_costs": (GeneralCost("wind", lambda s: s.x[0] * ca.SX.sym("gust")),)},
            r"cost 'wind' uses the symbols \['gust'\], which are not of the stage",
        ),
        (
            {"path_constraints": (Constraint("wall", lambda s: s.x[0] - ca.SX.sym("wall"), (0.0,), (1.0,)),)},
            r"constraint 'wall' uses the symbols \['wall'\]",
        ),
        (
            {"path_constraints": (state_bounds((0, 7), (0.0, 0.0), (1.0, 1.0), "box"),)},
            "constraint 'box': no state 7; the model has 2, 0 to 1",
        ),
        ({"path_constraints": (state_bounds((-3,), (0.0,), (1.0,), "box"),)}, "constraint 'box': no state -3"),
        ({"path_constraints": (Constraint("box", lambda s: s.x, (0.0,), (1.0,)),)}, r"constraint 'box' gives shape \(2, 1\)"),
        ({"terminal_constraints": (control_bounds((0.0,), (1.0,)),)}, "terminal constraint 'control' uses controls"),
        (
            {"path_constraints": (control_bounds((0.0, 0.0), (1.0, 1.0)),)},
            r"constraint 'control' gives shape \(1, 1\); expected \(2, 1\)",
        ),
        (
            {
                "path_constraints": (
                    Constraint("mass", lambda s: ca.vertcat(s.x[0], s.parameters["m"]), (0.0, 0.0), (1.0, 1.0)),
                )
            },
            "constraint 'mass' row 1 is on no state and no control",
        ),
        (
            {"path_costs": (GeneralCost("broken", lambda s: s.x[0] * math.nan),)},
            "cost 'broken' holds a constant that is not a finite number",
        ),
        ({"reference_names": ("a", "b", "a")}, r"reference entries named twice: \['a'\]"),
    ],
)
def test_a_term_that_does_not_fit_is_refused_by_name(changes, message):
    with pytest.raises(ProblemError, match=message):
        problem(**changes)


class Leaky(DoubleIntegrator):
    """The double integrator, with a third state that only decays."""

    state_names, state_units = ("q", "q_dot", "charge"), ("m", "m/s", "C")
    manifold = Euclidean(3)

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return ca.vertcat(super().xdot(x[:2], u, p), -x[2])


class Misfit(DoubleIntegrator):
    """Names three states, and moves two."""

    state_names, state_units = ("q", "q_dot", "q_ddot"), ("m", "m/s", "m/s²")


class WrongManifold(Leaky):
    """Three states on a manifold of two entries."""

    manifold = Euclidean(2)


_LEAKY = {"dynamics": Leaky(), "path_costs": (LeastSquares("effort", lambda s: s.u, (0.01,)),)}


def fixed(*indices: int) -> Constraint:
    return state_bounds(indices, (1.0,) * len(indices), (1.0,) * len(indices), "goal")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terminal_constraints": (fixed(0, 2),), **_LEAKY}, "'goal' row 1 fixes what no control reaches within 20 steps"),
        (
            {"terminal_constraints": (fixed(0),), "integrator": ExplicitEuler(), "grid": (0.1,)},
            "'goal' row 0 fixes what no control reaches within 1 steps",
        ),
        (
            {"terminal_constraints": (fixed(0, 1),), "grid": (0.1,)},
            r"fix 2 values \('goal' row 0, 'goal' row 1\), of which 1 steps with 1 controls can steer at most 1",
        ),
    ],
)
def test_an_end_that_no_control_can_reach_is_refused_by_name(changes, message):
    with pytest.raises(ProblemError, match=message):
        problem(**changes)


def test_an_end_that_the_controls_can_just_reach_is_fine():
    euler = {"integrator": ExplicitEuler(), "grid": (0.1,) * 2}
    assert problem(terminal_constraints=(fixed(0, 1),), **euler).N == 2
    assert problem(terminal_constraints=(state_bounds((2,), (0.0,), (1.0,), "charge"),), **_LEAKY).N == 20
    soft = state_bounds((2,), (1.0,), (1.0,), "charge", Soft(1.0, 1.0))
    assert problem(terminal_constraints=(soft,), **_LEAKY).N == 20


@pytest.mark.parametrize(
    ("dynamics", "message"),
    [
        (Misfit(), r"xdot gives shape \(2, 1\); expected \(3, 1\)"),
        (WrongManifold(), "has 3 states on a manifold of 2 entries"),
    ],
)
def test_dynamics_of_other_sizes_than_their_names_are_refused(dynamics, message):
    with pytest.raises(ProblemError, match=message):
        problem(dynamics=dynamics)


def test_terms_may_be_given_as_arrays_and_numbers():
    weights = np.array([[2.0, 0.0], [0.0, 3.0]])
    costs = (
        LeastSquares("array", lambda s: np.array([s.x[0], 2 * s.x[1]]), (1.0, 1.0)),
        LeastSquares("product", lambda s: weights @ s.x, (1.0, 1.0)),
        GeneralCost("constant", lambda s: 0.5),
    )
    made = problem(path_costs=costs, path_constraints=(Constraint("row", lambda s: np.array([s.x[0]]), (0.0,), (1.0,)),))
    x, u, p, r = ca.SX.sym("x", 2), ca.SX.sym("u"), ca.SX.sym("p", len(made.parameters)), ca.SX.sym("r", 0)
    stage = made.stage(x, u, p, r)
    values = [costs[0].residual(stage), costs[1].residual(stage), costs[2].value(stage)]
    values.append(made.path_constraints[0].expression(stage))
    numbers = ca.Function("terms", [x, u, p, r], values)([5.0, 7.0], 0.0, made.parameters.values, [])
    for got, expected in zip(numbers, ([5.0, 14.0], [10.0, 21.0], [0.5], [5.0]), strict=True):
        np.testing.assert_array_equal(got.full().ravel(), expected)


def test_prices_and_weights_stay_finite_and_at_least_zero_at_run_time():
    p = problem(path_constraints=(state_bounds((1,), (-1.0,), (1.0,), "speed", Soft(10.0, 1.0)),)).parameters
    off = p.with_values({"soft_l1.speed": 0.0, "soft_l2.speed": 0.0, "weight.effort[0]": 0.0})
    assert off["soft_l1.speed"].value == off["soft_l2.speed"].value == 0.0
    for name in ("soft_l1.speed", "soft_l2.speed", "weight.effort[0]"):
        for value in (-1e-9, math.inf, math.nan):
            with pytest.raises(ParameterError, match=re.escape(f"'{name}' is")):
                p.with_values({name: value})


def test_a_parameter_that_is_not_there_is_refused():
    with pytest.raises(ParameterError, match="no parameter 'wind'; there are m"):
        problem(path_costs=(GeneralCost("drag", lambda s: s.parameters["wind"] * s.u**2),))


def test_a_parameter_that_is_given_twice_is_refused():
    with pytest.raises(ParameterError, match="named twice"):
        problem(extra_parameters=Parameters((Parameter("m", 1.0, "kg"),)))


def test_terms_see_parameters_and_reference_by_name():
    made = problem(
        path_costs=(GeneralCost("pull", lambda s: s.parameters["m"] * (s.x[0] - s.reference[1]) ** 2),),
        reference_names=("a", "b"),
    )
    x, u, p, r = ca.SX.sym("x", 2), ca.SX.sym("u"), ca.SX.sym("p", len(made.parameters)), ca.SX.sym("r", made.nr)
    value = ca.Function("l", [x, u, p, r], [made.path_costs[0].value(made.stage(x, u, p, r))])
    assert float(value([3.0, 0.0], 0.0, made.parameters.values, [9.0, 1.0])) == 4.0


def test_the_fingerprint_changes_with_what_code_depends_on_and_not_with_values():
    same = problem().fingerprint
    assert problem().fingerprint == same
    costs = (LeastSquares("state", lambda s: s.x, (7.0, 8.0)), LeastSquares("effort", lambda s: s.u, (9.0,)))
    assert problem(path_costs=costs).fingerprint == same
    assert problem(grid=(0.2,) * 20).fingerprint == same  # steps are a run-time input
    box = control_bounds((-1.0,), (1.0,))
    soft = Constraint("control", box.expression, box.lower, box.upper, Soft(1.0, 1.0))
    others = [
        problem(grid=(0.1,) * 21),
        problem(integrator=ExplicitEuler()),
        problem(path_costs=(GeneralCost("state", lambda s: ca.sumsqr(s.x)),)),
        problem(path_constraints=(box,)),
        problem(path_constraints=(soft,)),
        problem(path_costs=(costs[0],), terminal_costs=(costs[1].__class__("effort", lambda s: s.x[:1], (1.0,)),)),
    ]
    assert len({same, *(p.fingerprint for p in others)}) == len(others) + 1


@dataclass(frozen=True)
class ScaledEuler(Integrator):
    """Explicit Euler whose derivatives are off by a factor that its `repr` does not show."""

    def step(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> ca.SX:
        return ExplicitEuler().step(dynamics, x, u, p, dt)

    def linearize(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        F, F_x, F_u = ExplicitEuler().linearize(dynamics, x, u, p, dt)
        return F, self.factor() * F_x, F_u

    def second_derivatives(self, dynamics: Dynamics, x: ca.SX, u: ca.SX, p: ca.SX, dt: ca.SX, multiplier: ca.SX) -> ca.SX:
        return ExplicitEuler().second_derivatives(dynamics, x, u, p, dt, multiplier)

    def factor(self) -> float:
        return 1.0


def test_the_fingerprint_changes_with_derivatives_that_an_integrator_writes_by_hand():
    other = type("ScaledEuler", (ScaledEuler,), {"factor": lambda self: 0.5})
    assert repr(other()) == repr(ScaledEuler())
    assert problem(integrator=ScaledEuler()).fingerprint == problem(integrator=ScaledEuler()).fingerprint
    assert problem(integrator=other()).fingerprint != problem(integrator=ScaledEuler()).fingerprint


class PlainIntegrator(ScaledEuler):
    """No dataclass: its `repr` holds an address."""

    __repr__ = object.__repr__


def test_the_fingerprint_does_not_depend_on_where_an_integrator_lies_in_memory():
    both = PlainIntegrator(), PlainIntegrator()
    assert repr(both[0]) != repr(both[1])
    assert problem(integrator=both[0]).fingerprint == problem(integrator=both[1]).fingerprint


class OwnDerivatives(DifferentiatedDynamics):
    """The double integrator with an ∂f/∂x of one's own."""

    name, manifold, parameters = "own", DoubleIntegrator.manifold, DoubleIntegrator.parameters
    state_names, state_units = DoubleIntegrator.state_names, DoubleIntegrator.state_units
    control_names, control_units = DoubleIntegrator.control_names, DoubleIntegrator.control_units

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def xdot(self, x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
        return DoubleIntegrator().xdot(x, u, p)

    def jacobians(self, x: ca.SX, u: ca.SX, p: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
        return self.xdot(x, u, p), self.slope * ca.SX(ca.DM([[0, 1], [0, 0]])), ca.vertcat(0, 1 / p)


@pytest.mark.parametrize("disturbances", [0, 1, 2])
def test_the_fingerprint_changes_with_derivatives_that_a_model_writes_by_hand(disturbances):
    def made(slope: float) -> str:
        dynamics: Dynamics = OwnDerivatives(slope)
        for name in ("q", "q_dot")[:disturbances]:
            dynamics = DisturbedDynamics(dynamics, (name,))
        return problem(dynamics=dynamics).fingerprint

    assert made(1.0) == made(1.0)
    assert made(1.0) != made(2.0)
