"""The measured tables and pictures of docs/ are what the kept measurements say."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from launch.bench.convergence import Variant, convergence_rows, iterating_solvers, iteration_counts
from launch.bench.measure import Effort
from launch.bench.pages.convergence_figures import draw_options, draw_solvers
from launch.bench.pages.markdown import digits, percent, table, time
from launch.bench.pages.markers import MarkerError, filled
from launch.bench.pages.measurements import PARTS, Measurements
from launch.bench.pages.time_figure import draw_times
from launch.bench.phases import phase_rows
from launch.bench.problems import PROBLEMS
from launch.bench_cli import _PARTS
from launch.commands.pages import measured_tables
from mpc_controller.solvers.solution import Status
from tests.launch.command import ROOT, run

PAGES = [ROOT / "docs" / name for name in ("solvers.md", "performance.md", "identification.md")]
KEPT = Measurements(ROOT / "docs/measured")


def test_a_marked_block_becomes_its_table_and_the_rest_stays() -> None:
    page = "before\n<!-- measured: a -->\nold\n<!-- end -->\nbetween\n<!-- measured: b -->\n<!-- end -->\n"
    once = filled(page, {"a": lambda: "new", "b": lambda: "other"})
    assert once == (
        "before\n<!-- measured: a -->\n\nnew\n\n<!-- end -->\nbetween\n<!-- measured: b -->\n\nother\n\n<!-- end -->\n"
    )
    assert filled(once, {"a": lambda: "new", "b": lambda: "other"}) == once


def test_a_block_without_a_table_is_named() -> None:
    with pytest.raises(MarkerError, match=r"no measured table 'flips'; there are flops, phases"):
        filled("<!-- measured: flips -->\n<!-- end -->\n", {"flops": str, "phases": str})


def test_numbers_have_two_digits_in_a_unit_that_suits() -> None:
    assert [time(26.8, 134.6), time(999.0), time(2935.7, 3329.0), time(1.7e6)] == ["27/135 µs", "999 µs", "2.9/3.3 ms", "1.7 s"]
    assert [digits(value) for value in (None, math.nan, 0.0, 0.0123, 0.99, 4.26, 42.6)] == [
        "–",
        "–",
        "0",
        "0.012",
        "0.99",
        "4.3",
        "43",
    ]
    assert [percent(value) for value in (0.0031, -0.043, 3.4)] == ["+0.3 %", "-4.3 %", "+340 %"]
    assert table(("solver", "µs"), [("lqr", "30")]) == "| solver | µs |\n| --- | ---: |\n| lqr | 30 |"


def test_measurements_come_back_as_they_were_but_for_what_json_lacks(tmp_path: Path) -> None:
    kept = Measurements(tmp_path / "measured")
    kept.store("builds", [{"median_us": math.nan, "costs": (1.0, math.inf), "name": "gcc", "command": "/opt/bin/gcc"}])
    assert kept.rows("builds") == [{"median_us": None, "costs": [1.0, None], "name": "gcc"}]
    assert "-march=" in kept.machine("builds")


def test_iterations_are_counted_one_by_one_and_then_in_larger_steps() -> None:
    counts = list(iteration_counts(1000))
    assert counts[:9] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert counts == sorted(set(counts))
    assert counts[-1] <= 1000
    assert len(counts) < 40


def test_convergence_ends_at_the_best_known_cost_after_as_many_rows_as_iterations() -> None:
    case = PROBLEMS["cartpole"]()
    rows = convergence_rows([case], [Variant("sqp", "multiple-shooting")], lambda line: None)
    assert [row["iterations"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["status"] for row in rows] == [*["ITERATION_LIMIT"] * (len(rows) - 1), Status.CONVERGED.name]
    assert rows[-1]["cost"] == pytest.approx(case.optimum, rel=1e-6)
    assert rows[-1]["violation"] < 1e-6
    assert rows[0]["kkt"] > 1.0


def test_every_solver_that_iterates_is_in_the_picture() -> None:
    assert {variant.solver for variant in iterating_solvers()} == {
        "collocation", "ddp", "ilqr", "multiple-shooting", "single-shooting",
    }  # fmt: skip


def test_both_phases_of_an_iteration_and_an_empty_call_take_time() -> None:
    (row,) = phase_rows([PROBLEMS["cartpole"]()], Effort(episodes=1, steps=4), lambda line: None)
    assert row["sweeps"] >= 1
    assert min(row["preparation_us"], row["feedback_us"], row["empty_call_us"]) > 0


def test_every_measured_table_has_one_place_on_the_pages() -> None:
    named = [name for page in PAGES for name in re.findall(r"<!-- measured: ([\w-]+) -->", page.read_text(encoding="utf-8"))]
    tables = [name for name in measured_tables(KEPT) if not name.startswith("machine-")]
    if not any(name.startswith("identification-") for name in named):  # a page without any of its tables
        tables = [name for name in tables if not name.startswith("identification-")]
    assert sorted(name for name in named if not name.startswith("machine-")) == sorted(tables)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tables_of_a_page_are_those_of_the_kept_measurements(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert filled(text, measured_tables(KEPT)) == text


def test_the_pictures_can_be_drawn_from_the_kept_measurements(tmp_path: Path) -> None:
    optima = {name: case().optimum for name, case in PROBLEMS.items()}
    draw_solvers(KEPT.rows("convergence"), optima, tmp_path / "convergence.png")
    draw_options(KEPT.rows("convergence"), optima, tmp_path / "options.png")
    draw_times(KEPT.rows("solvers"), tmp_path / "times.png")
    assert {path.name for path in tmp_path.glob("*.png")} == {path.name for path in (ROOT / "docs/pictures").glob("*.png")}


def test_a_missing_measurement_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    for page in PAGES:
        (tmp_path / page.name).write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    result = run("bench", "pages", str(tmp_path))
    assert result.returncode == 2
    assert re.search(r"no .*\.json; `mpc bench pages --measure \w+` makes it", result.stderr)


def test_the_command_offers_every_part_that_is_kept() -> None:
    assert _PARTS == PARTS


@pytest.mark.parametrize("file", ["README.md", "docs/solvers.md"])
def test_the_example_in_a_page_runs_and_converges(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    example = re.search(r"```python\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    names: dict[str, Any] = {}
    exec(compile(example[1], file, "exec"), names)
    assert names["plan"].status is Status.CONVERGED
    capsys.readouterr()


def test_no_kept_measurement_says_where_things_lie_on_a_machine() -> None:
    for part in PARTS:
        assert "/tmp" not in json.dumps(KEPT.rows(part))
        assert "/home" not in json.dumps(KEPT.rows(part))
