"""What a user sees of an identification: the table in the terminal, and the page."""

from __future__ import annotations

import os
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from mpc_controller.identification.fit import Estimated, Standing
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.report import format_identification, write_report
from mpc_controller.identification.report.choice import drawn_logs, drawn_signals
from mpc_controller.identification.report.interval_bar import interval_bar
from mpc_controller.identification.report.report import report
from mpc_controller.identification.report.terminal import WIDTH
from mpc_controller.identification.report.words import strong_correlations, weak_directions
from tests.identification.report_examples import decays_example, fit_of, quadrotor_example, unknown_everywhere

VOID = {"meta", "br", "link", "img", "input"}
SECTIONS = ["summary", "parameters", "notes", "horizon", "prediction", "residuals", "information", "lengths"]


class Page(HTMLParser):
    """A page that is well formed, by its text, its pictures and what it refers to."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.text, self.alts, self.ids, self.references, self.sections, self.captions = "", [], [], [], [], []
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self._note(tag, dict(attrs))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._note(tag, dict(attrs))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" in self._open:
            return
        self.text += data
        if "figcaption" in self._open:
            self.captions.append(data)

    def _note(self, tag, attributes):
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag == "section":
            self.sections.append(attributes["id"])
        if tag == "svg" and "aria-hidden" not in attributes:
            assert attributes["role"] == "img"
            self.alts.append(attributes["aria-label"])
        assert tag not in ("script", "link", "iframe", "object", "img")
        self.references += [v for k, v in attributes.items() if k in ("href", "src", "xlink:href") and v]
        self.references += [v[4:-1] for v in attributes.values() if v and v.startswith("url(")]


@pytest.fixture(scope="module")
def quadrotor():
    identification, logs = quadrotor_example()
    return identification, logs, report(identification, logs)


@pytest.fixture(scope="module")
def page(quadrotor):
    return Page(quadrotor[2])


def test_the_page_has_all_its_sections(page):
    assert page.sections == SECTIONS


def test_the_page_needs_nothing_from_elsewhere(page):
    assert page.references
    assert all(reference.startswith("#") and reference[1:] in page.ids for reference in page.references)


def test_names_within_the_page_are_unique(page):
    assert len(set(page.ids)) == len(page.ids)


def test_every_number_and_every_file_is_on_the_page(page, quadrotor):
    identification, logs, _ = quadrotor
    for entry in identification.fit.estimated:
        assert entry.name in page.text
        assert any(alt.startswith(f"{entry.name}: estimate") for alt in page.alts)
        assert f"Estimate of {entry.name} from windows of different length" in page.alts
    for log in logs:
        assert all(part in page.text for part in (log.name, str(log.path), log.digest, *log.notes))
    for note in (*identification.fit.notes, *identification.notes):
        assert note in page.text.replace("\u00a0", " ")


def test_every_signal_of_every_log_has_its_pictures(page, quadrotor):
    identification, logs, _ = quadrotor
    for signal in identification.fit.structure.signals:
        for log in logs:
            name = f"{signal.name} of {log.name}"
            for alt in (f"Measured and predicted {name}", f"Residuals of {name} over time"):
                assert alt in page.alts
            assert f"Autocorrelation of the residuals of {name}" in page.alts
            assert any(alt.startswith(f"Measured and predicted {name} from ") for alt in page.alts)
        assert f"Prediction error of {signal.name} over the horizon, nominal against fitted" in page.alts
    assert {"Singular values of the information matrix, on a logarithmic axis", "Correlation matrix of the estimates"} < set(
        page.alts
    )
    assert len(page.captions) >= 3 + 2 * len(logs)


def test_the_page_is_small(quadrotor):
    assert len(quadrotor[2].encode()) < 2.5e6


def test_numbers_from_outside_cannot_become_html():
    identification, logs = decays_example(fitted=1, seconds=2.0)
    fit = replace(identification.fit, method="<b>&", notes=("a < b & c",))
    content = report(replace(identification, fit=fit), [replace(logs[0], notes=("<script>",))])
    Page(content)
    assert "&lt;b&gt;&amp;" in content
    assert "<script>" not in content


CASES = {
    "one number, one log": lambda: decays_example(),
    "no validation": lambda: decays_example(states=2, parameters=3, fitted=2),
    "forty numbers, twelve signals, ten logs": lambda: decays_example(12, 40, 7, 3, 4, seconds=3.0),
    "nothing known": lambda: (unknown_everywhere(quadrotor_example(4.0)[0]), quadrotor_example(4.0)[1]),
    "nothing predicted": lambda: (replace(decays_example()[0], predictions=(), nominal_predictions=()), []),
    "no nominal predictions": lambda: (replace(decays_example()[0], nominal_predictions=()), decays_example()[1]),
    "nothing estimated": lambda: (lambda i, logs: (replace(i, fit=fit_of(i.fit.structure, ())), logs))(*decays_example()),
    "logs shorter than a window": lambda: decays_example(states=2, seconds=0.08),
    "a log too short for the horizon": lambda: _without_errors(*decays_example(seconds=0.3)),
}  # fmt: skip


def _without_errors(identification, logs):
    short = tuple(replace(p, error=np.zeros((0, 1))) for p in identification.predictions)
    return replace(identification, predictions=short, nominal_predictions=short), logs


@pytest.mark.parametrize("case", CASES)
def test_a_page_and_a_table_come_of_whatever_was_found(case):
    identification, logs = CASES[case]()
    content = report(identification, logs)
    page = Page(content)
    assert page.sections == SECTIONS
    assert len(content.encode()) < 5e6
    for name in (*(e.name for e in identification.fit.estimated), *(p.log for p in identification.predictions)):
        assert name in page.text
    assert all(len(line) <= 120 for line in format_identification(identification).splitlines())


def test_of_many_signals_those_predicted_worst_are_drawn():
    identification, _ = decays_example(30, 1, 2, 1, seconds=1.0)
    worse = tuple(replace(p, error=p.error * np.where(np.arange(30) % 3 == 1, 50.0, 1.0)) for p in identification.predictions)
    drawn = drawn_signals(replace(identification, predictions=worse))
    assert set(range(1, 30, 3)) < set(drawn)
    assert len(drawn) == 12


def test_of_many_logs_both_roles_are_drawn():
    identification, _ = decays_example(8, 1, 6, 4, seconds=1.0)
    drawn = drawn_logs(identification, 12)
    assert sorted(p.role for p in drawn) == ["fitted", "validation"]
    assert len(drawn_logs(identification, 1)) == 10
    fitted_only = replace(identification, predictions=identification.predictions[:6])
    assert len(drawn_logs(fitted_only, 8)) == 3


def test_without_validation_the_page_says_so():
    identification, logs = decays_example()
    assert "No log was kept aside for validation" in Page(report(identification, logs)).text


def test_a_fit_that_did_not_converge_is_told_at_the_top_of_both():
    identification, logs = decays_example()
    failed = replace(identification, fit=replace(identification.fit, converged=False))
    assert "did not converge" in Page(report(failed, logs)).text
    assert "DID NOT CONVERGE" in format_identification(failed).splitlines()[0]


def test_the_table_says_what_is_known_of_every_number(quadrotor):
    lines = format_identification(quadrotor[0]).splitlines()
    for entry in quadrotor[0].fit.estimated:
        row = next(line for line in lines if line.startswith(f"{entry.name} "))
        assert row.endswith(entry.standing.value)
        assert f" {entry.unit} " in row
    mass = next(line for line in lines if line.startswith("mass"))
    assert mass.split() == ["mass", "kg", "0.027", "0.02841", "[0.02810,", "0.02872]", "+5.2", "%", "yes"]
    assert all(len(line) <= WIDTH for line in lines)


def test_the_table_compares_predictions_with_those_of_nominal_values(quadrotor):
    identification = quadrotor[0]
    lines = format_identification(identification).splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith("figure_eight (validation)"))
    end = identification.predictions[2].error[-1, 0]
    assert f"{end:.3g}" in lines[start + 1]
    assert lines[start + 1].split()[:2] == ["position", "m"]
    open_loop = [p[2].open_loop_rms[0] for p in (identification.nominal_predictions, identification.predictions)]
    assert lines[start + 1].endswith(f"{open_loop[0]:.3g} → {open_loop[1]:.3g}")
    assert lines[start + 4].endswith("– →      –")


def test_long_names_are_cut_and_columns_kept():
    identification, _ = decays_example(parameters=2)
    long = tuple(
        replace(e, name="a_name_that_goes_on_" * 4, unit="kg m² s⁻² per something") for e in identification.fit.estimated
    )
    table = format_identification(replace(identification, fit=replace(identification.fit, estimated=long)))
    assert all(len(line) <= 120 for line in table.splitlines())
    assert "…" in table


def test_a_direction_is_told_by_what_moves_together():
    """Two numbers of which the data see the sum: apart they may go as far as 1/σ of their scales."""
    identification, _ = decays_example(parameters=2)
    fit = identification.fit
    direction = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    values = tuple(replace(e, value=2.0) for e in fit.estimated)
    information = replace(fit.information, scale=np.full(2, 2.0), singular_values=np.array([500.0, 4.0]), directions=direction)
    words = weak_directions(replace(fit, estimated=values, information=information))
    assert words == ["σ = 4: one standard deviation is rate_0 +18 % and rate_1 -18 % together."]


def test_strong_correlations_are_named_worst_first():
    information = replace(
        quadrotor_example(2.0)[0].fit.information,
        names=("a", "b", "c"),
        correlation=np.array([[1.0, 0.95, -0.99], [0.95, 1.0, 0.2], [-0.99, 0.2, 1.0]]),
    )
    assert strong_correlations(information) == ["a and c: -0.990", "a and b: +0.950"]


def test_an_interval_past_its_bounds_ends_in_an_arrow():
    wide = Estimated("arm", "m", 0.05, 0.05, 10.0, Standing.UNSEEN)
    assert interval_bar(wide, 0.0, 0.1).count('class="more"') == 2
    assert 'class="more"' not in interval_bar(replace(wide, half_width=0.01), 0.0, 0.1)


def test_a_report_is_written_whole_and_alone(tmp_path):
    identification, logs = decays_example(seconds=2.0)
    write_report(identification, logs, tmp_path / "report.html", force=False)
    assert Page((tmp_path / "report.html").read_text(encoding="utf-8")).sections == SECTIONS
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_report_in_the_way_is_kept_without_force(tmp_path):
    identification, logs = decays_example(seconds=2.0)
    path = tmp_path / "report.html"
    path.write_text("precious")
    with pytest.raises(IdentificationError, match=r"report\.html exists; .*--force"):
        write_report(identification, logs, path, force=False)
    assert path.read_text() == "precious"
    write_report(identification, logs, path, force=True)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_report_that_fails_half_way_leaves_what_was_there(tmp_path, monkeypatch):
    identification, logs = decays_example(seconds=2.0)
    path = tmp_path / "report.html"
    path.write_text("precious")

    def no_space(source, target):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match="no space left"):
        write_report(identification, logs, path, force=True)
    assert os.listdir(tmp_path) == ["report.html"]
    assert path.read_text() == "precious"


def test_a_report_goes_to_a_file_in_a_folder_that_exists(tmp_path):
    identification, logs = decays_example(seconds=2.0)
    with pytest.raises(IdentificationError, match="no folder"):
        write_report(identification, logs, tmp_path / "missing" / "report.html", force=False)
    with pytest.raises(IdentificationError, match="is a folder"):
        write_report(identification, logs, tmp_path, force=True)
