"""What a controller is told: when it is sure, and in steps."""

from __future__ import annotations

import pytest

from mpc_controller.identification.fit import Estimated, Standing
from mpc_controller.identification.gradual_update import GradualUpdate


def estimate(value: float, half_width: float = 0.1, standing: Standing = Standing.IDENTIFIED, name: str = "mass") -> Estimated:
    return Estimated(name, "kg", 2.0, value, half_width, standing)


def policy() -> GradualUpdate:
    return GradualUpdate({"mass": 2.0, "drag": 1.0}, {"mass": 0.5, "drag": 1.0})


def test_nothing_is_said_within_the_interval_nor_of_what_the_data_do_not_show():
    assert policy().next([estimate(2.09)]) == {}
    assert policy().next([estimate(4.0, standing=Standing.PRIOR)]) == {}
    assert policy().next([]) == {}


def test_a_step_is_a_tenth_of_what_was_uncertain_until_the_estimate_is_reached():
    gradual, said = policy(), []
    while values := gradual.next([estimate(2.17)]):
        said.append(values["mass"])
        gradual.hear(values)
    assert said == pytest.approx([2.05, 2.10, 2.15, 2.17])


def test_values_that_belong_together_move_together():
    values = policy().next([estimate(2.5), estimate(1.4, name="drag")])
    assert values == pytest.approx({"mass": 2.05, "drag": 1.04})


def test_an_update_that_got_lost_is_said_again():
    gradual = policy()
    assert gradual.next([estimate(2.5)]) == gradual.next([estimate(2.5)])


def test_it_starts_from_what_another_said():
    gradual = policy()
    gradual.hear({"mass": 2.48, "weight.effort[0]": 3.0})
    assert gradual.next([estimate(2.5)]) == {}
    assert gradual.told == {"mass": 2.48, "drag": 1.0}
