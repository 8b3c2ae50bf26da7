"""The reference problems by the name that users type. A problem: one file and one line here."""

from collections.abc import Callable, Mapping

from launch.bench.problems.arm import reach
from launch.bench.problems.cartpole import swing_up
from launch.bench.problems.quadrotor import recovery
from launch.bench.problems.racecar import obstacle_course
from launch.bench.problems.reference_problem import ReferenceProblem

PROBLEMS: Mapping[str, Callable[[], ReferenceProblem]] = {
    "cartpole": swing_up,
    "quadrotor": recovery,
    "arm": reach,
    "racecar": obstacle_course,
}
