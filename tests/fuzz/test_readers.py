"""Readers of bytes that others wrote give a value or their documented error, whatever the bytes are."""

from __future__ import annotations

import pytest

from tests.fuzz.mutation import mutations
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_gives_a_value_or_its_documented_error(name: str):
    target = TARGETS[name]
    seeds = target.seeds()
    read = [target.try_out(data) for data in mutations(seeds, target.runs, target.is_text, seed=11)]
    assert 0 < sum(read) < len(read), "mutations that are all valid, or none, look at little"


@pytest.mark.parametrize("name", TARGETS)
def test_there_are_valid_examples_to_start_from(name: str):
    target = TARGETS[name]
    assert any(target.try_out(data) for data in target.seeds())
