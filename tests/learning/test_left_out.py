"""What training leaves out in turn."""

from __future__ import annotations

import numpy as np
import pytest

from mpc_controller.identification.log import Log
from mpc_controller.learning.data_set import Track
from mpc_controller.learning.labels import Labels
from mpc_controller.learning.left_out import divisions

BLOCK = 5
PIECES = ((0, 40), (50, 110), (110, 130))


def track(name: str) -> Track:
    times, nothing = 0.01 * np.arange(130), np.zeros((130, 1))
    return Track(Log(name, times, nothing, nothing, PIECES), nothing, nothing, nothing, nothing)


def labels(count: int) -> Labels:
    """One a block of the samples of so many tracks; z tells the sample, among those that are used."""
    each = np.arange(0, 120, BLOCK, dtype=float)
    z, owner = np.tile(each, count)[:, None], np.repeat(np.arange(count), len(each))
    return Labels(z, z, owner, np.zeros(1), np.zeros(1), BLOCK)


def used(log: Log) -> list[int]:
    return [k for a, b in log.pieces for k in range(a, b)]


@pytest.mark.parametrize("count", [1, 3])
def test_few_logs_lose_a_quarter_in_turn_each_sample_once_and_never_to_learn_from(count: int) -> None:
    tracks = [track(f"log {i}") for i in range(count)]
    found = divisions(tracks, labels(count), 4)
    assert [name for name, *_ in found] == [f"part {k} of 4" for k in (4, 3, 2, 1)]
    for i in range(count):
        assert sorted(k for _, _, aside, _ in found for k in used(aside[i].log)) == used(tracks[i].log)
        for _, learned, aside, _ in found:
            assert sorted(used(learned[i].log) + used(aside[i].log)) == used(tracks[i].log)


def test_labels_of_a_part_that_is_left_out_are_left_out_with_it() -> None:
    tracks = [track("a"), track("b")]
    for _, _, aside, chosen in divisions(tracks, labels(2), 4):
        order = used(tracks[0].log)
        left_out = {order.index(k) for k in used(aside[0].log)}
        assert len(chosen.z) == 2 * (120 - 30) / BLOCK
        assert not left_out & {int(z) for z in chosen.z.ravel()}


def test_many_logs_are_left_out_whole_and_several_at_once_where_folds_are_fewer() -> None:
    tracks = [track(f"log {i}") for i in range(5)]
    found = divisions(tracks, labels(5), 2)
    assert [name for name, *_ in found] == ["log 0, log 1, log 2", "log 3, log 4"]
    assert [track.log.name for track in found[0][1]] == ["log 3", "log 4"]
    assert set(found[0][3].track) == {3, 4}


@pytest.mark.parametrize("count", [2, 5])
def test_without_folds_nothing_is_left_out(count: int) -> None:
    assert divisions([track(f"log {i}") for i in range(count)], labels(count), 0) == []
