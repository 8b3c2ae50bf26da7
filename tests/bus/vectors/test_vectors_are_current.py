"""The files are what `python -m tests.bus.vectors` would write now, and they hold what they should."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from mpc_controller.control.reject import Reject
from tests.bus.vectors import FILES, FOLDER
from tests.bus.vectors.plain import document


def load(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return cases


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_file_is_what_python_does_now(name: str) -> None:
    now = json.loads(document(name, FILES[name]()))["cases"]
    difference = first_difference(load(name), now, name)
    assert not difference, f"{difference}; `python -m tests.bus.vectors` writes the files anew"


def first_difference(old: Any, new: Any, where: str) -> str:
    """The first place where they differ, '' when there is none; numbers may by 1e-13, as elementary functions do."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        pairs = [(name, old[name], new[name]) for name in old]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(str(i), a, b) for i, (a, b) in enumerate(zip(old, new, strict=True))]
    elif isinstance(old, float) and isinstance(new, float) and math.isclose(old, new, rel_tol=1e-13, abs_tol=1e-13):
        return ""
    else:
        return "" if old == new and type(old) is type(new) else f"{where} was {old}, is {new}"
    return next(filter(None, (first_difference(a, b, f"{where}.{name}") for name, a, b in pairs)), "")


def test_every_reason_to_refuse_a_plan_occurs() -> None:
    seen = {plan["reason"] for case in load("acceptance") for plan in case["plans"]}
    assert seen == {reason.value for reason in Reject} | {""}


def test_every_reason_to_refuse_a_frame_occurs() -> None:
    seen = {reason for case in load("frames") for reason in case["refused"]}
    assert seen == {"magic", "version", "kind", "truncated", "size", "payload", "shape", "value"}


def test_every_step_of_the_ladder_is_walked() -> None:
    for name, of in (("ladder", ladder_modes), ("plant", plant_modes)):
        steps = {step for case in load(name) for step in zip(of(case), of(case)[1:], strict=False) if step[0] != step[1]}
        assert steps >= {("HOLD", "NOMINAL"), ("NOMINAL", "STALE_PLAN"), ("STALE_PLAN", "NOMINAL"), ("STALE_PLAN", "HOLD")}
        assert steps >= {("NOMINAL", "E_STOP"), ("E_STOP", "HOLD")}


def ladder_modes(case: dict[str, Any]) -> list[str]:
    return [step["mode"] for step in case["steps"]]


def plant_modes(case: dict[str, Any]) -> list[str]:
    return [tick["sent"][0]["observation"]["mode"] for tick in case["ticks"]]


def test_the_plant_says_everything_that_it_can_say() -> None:
    sent = [message for case in load("plant") for tick in case["ticks"] for message in tick["sent"]]
    assert {name for message in sent for name in message} == {"observation", "truth", "event", "repeats"}
    events = [message["event"] for message in sent if "event" in message]
    assert {event["kind"] for event in events} == {0, 1, 2, 6}  # changes of mode, refusals, the safety gate, totals and health
    texts = "\n".join(event.get("text", "") for event in events)
    for words in ("changed by the safety gate: range, slew", "calls for the brake", "health of the robot", "totals of the run"):
        assert words in texts
