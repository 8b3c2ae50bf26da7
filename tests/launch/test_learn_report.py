"""The page about a learned residual: which pictures it has, and what they are made from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from launch.commands.learn_report import format_learned_residual, write_learning_report
from launch.commands.learn_report.horizon import horizon_figure
from launch.commands.learn_report.words import share
from mpc_controller.learning.data_set import DataSet
from mpc_controller.learning.learn import LearnedResidual
from mpc_controller.learning.validation import validated
from tests.learning.carts import cart, cart_log
from tests.model.residuals import linear_residual, wide_open


@pytest.fixture(scope="module")
def learned() -> LearnedResidual:
    """Three quarters of a cart's drag, in a range that fast stretches leave; learned from two logs, judged by two."""
    data = DataSet(cart())
    tracks = data.tracks([cart_log(f"run <{k}>", k, noise=1e-3) for k in range(4)])
    fastest = float(np.quantile(np.abs(tracks[2].states[:, 1]), 0.9))
    guard = replace(
        wide_open(2, 1), lower=np.array([-fastest, -1e6]), upper=np.array([fastest, 1e6]), fade=np.array([0.2, 1.0])
    )
    residual = replace(
        linear_residual(np.array([[-0.6, 0.0]])), guard=guard, feature_names=("velocity", "drive"), output_names=("air",)
    )
    judged = validated(data, residual, tracks[2:], tracks[:2])
    curves = {"training": (0.9, 0.5, 0.4), "left out run 1": (0.95, 0.6)}
    assert judged.accepted
    return LearnedResidual(residual, judged.rows, judged.reason, curves, (), False, judged.traces, data.step.port)


def _page(learned: LearnedResidual, folder: Path) -> str:
    write_learning_report(learned, folder / "r.html", True)
    return (folder / "r.html").read_text()


def test_the_page_has_the_pictures_of_every_signal_output_and_held_out_log(learned: LearnedResidual, tmp_path: Path) -> None:
    page = _page(learned, tmp_path)
    told = re.findall(r'aria-label="([^"]*)"', page)
    assert len(told) == len(set(told))
    for wanted in (
        "Error of position over the horizon, with physics alone and with the residual",
        "Error of velocity over the horizon, with physics alone and with the residual",
        "Error with the residual relative to physics alone, by signal and log",
        "Predicted over measured air of all held-out logs",
        "Gate along run &lt;2&gt;",
        "Gate along run &lt;3&gt;",
        "Loss by epoch",
    ):
        assert wanted in told
    assert sum(alt.startswith("Measured and predicted air of run") for alt in told) == 2
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "<script" not in page
    assert "run <" not in page


def test_what_is_explained_and_what_is_beyond_stand_in_its_tables(learned: LearnedResidual, tmp_path: Path) -> None:
    page = _page(learned, tmp_path)
    output = page[page.index('id="outputs"') :]
    explained = [float(n) for n in re.findall(r">([-0-9.]+)\xa0%<", output)]
    wanted = np.concatenate([trace.wanted for trace in learned.traces])
    given = np.concatenate([trace.given for trace in learned.traces])
    assert explained == [pytest.approx(100 * (1 - ((wanted - given) ** 2).sum() / (wanted**2).sum()), abs=4)]
    features = page[page.index('id="features"') : page.index('id="outputs"')]
    beyond = np.mean([trace.beyond[0] for trace in learned.traces])
    assert f">{share(float(beyond))}<".replace(" %", "\xa0%") in features
    assert ">0\xa0%<" in features  # the drive is never beyond


def test_a_residual_that_was_never_judged_has_a_page_without_errors(learned: LearnedResidual, tmp_path: Path) -> None:
    bare = LearnedResidual(replace(learned.residual, accepted=False), (), "no log judged it", {}, ("a note",), False)
    page = _page(bare, tmp_path)
    assert '<p class="warning">NOT accepted: no log judged it.</p>' in page
    assert 'id="errors"' not in page
    assert "<svg" not in page
    assert format_learned_residual(bare).startswith("NOT accepted: no log judged it")


def test_errors_that_are_not_finite_are_drawn_all_the_same(learned: LearnedResidual) -> None:
    row = learned.rows[-1]
    assert row.curve is not None
    lost = replace(row.curve, fused=np.full_like(row.curve.fused, np.nan))
    assert "<svg" in horizon_figure([replace(row, fused=(np.inf, np.inf), curve=lost)])


def test_many_logs_fold_their_table_away(learned: LearnedResidual, tmp_path: Path) -> None:
    many = replace(learned, rows=tuple(replace(learned.rows[-1], log=f"run {k}") for k in range(20)))
    assert "The errors of all 20 logs" in _page(many, tmp_path)
    assert "<details>" not in _page(learned, tmp_path)


@pytest.mark.parametrize(
    ("value", "told"), [(0.0, "0 %"), (1e-4, "< 0.1 %"), (0.004, "0.4 %"), (0.12, "12 %"), (-0.5, "-50 %"), (1.0, "100 %")]
)
def test_shares_are_told_in_percent(value: float, told: str) -> None:
    assert share(value) == told
