from __future__ import annotations

from mpc_controller.control.delivery import DeliveryEstimate
from tests.control.machines import observation, sled

ROBOT = sled()


def followed(estimate: DeliveryEstimate, sequences: list[int], epoch: int = 3) -> bool:
    for k, sequence in enumerate(sequences):
        estimate.observe(observation(ROBOT, k, [0.0], plan_epoch=epoch, plan_sequence=sequence))
    return estimate.is_lossy


def test_plans_that_are_all_followed_are_not_lost():
    assert not followed(DeliveryEstimate(3), [k // 5 for k in range(1000)])


def test_skipped_plans_are_lost_ones():
    assert followed(DeliveryEstimate(3), [k for k in range(100) if k % 5])
    assert not followed(DeliveryEstimate(3), [k for k in range(100) if k % 20])


def test_few_plans_and_those_of_others_say_nothing():
    assert not followed(DeliveryEstimate(3), [1, 5, 9, 13])
    assert not followed(DeliveryEstimate(3), list(range(1, 500, 3)), epoch=2)


def test_loss_that_ended_is_forgotten_after_seconds():
    estimate = DeliveryEstimate(3)
    assert followed(estimate, list(range(1, 200, 2)))
    assert followed(estimate, list(range(200, 700)))
    assert not followed(estimate, list(range(700, 720)))


def test_plans_that_arrive_because_they_are_repeated_do_not_end_the_repeats():
    estimate = DeliveryEstimate(3)
    assert followed(estimate, list(range(1, 200, 2)))
    assert followed(estimate, [k for k in range(200, 5000) if k % 100])


def test_failed_solves_are_not_lost_plans():
    estimate = DeliveryEstimate(3)
    for sequence in range(2, 600):
        if sequence % 3:
            estimate.failed(sequence)
        else:
            assert not followed(estimate, [sequence])
