"""The page about a learned residual."""

from __future__ import annotations

from pathlib import Path

from launch.commands.learn_report.coverage import coverage_figure
from launch.commands.learn_report.forces import force_figures
from launch.commands.learn_report.horizon import horizon_figure, ratio_figure
from launch.commands.learn_report.tables import error_table, feature_table, output_table, summary_facts
from launch.commands.learn_report.training import training_figure
from launch.commands.learn_report.words import sentence, verdict
from mpc_controller.identification.report.page import bullets, page, paragraph
from mpc_controller.learning.learn import LearnedResidual
from mpc_controller.model.residual.residual_file import described
from mpc_controller.whole_file import objection, write_whole


def write_learning_report(learned: LearnedResidual, path: Path, force: bool) -> None:
    """The page, whole or not at all. FileExistsError where a file is in the way and `force` is not given."""
    if reason := objection(path, force):
        raise FileExistsError(reason)
    write_whole(path, _page(learned))


def _page(learned: LearnedResidual) -> str:
    residual = learned.residual
    said = paragraph(sentence(verdict(learned)), "lead" if residual.accepted else "warning")
    sections = [("summary", "Summary", said + summary_facts(learned))]
    if learned.notes:
        sections.append(("notes", "Notes", bullets([sentence(note) for note in learned.notes])))
    if learned.rows:
        errors = horizon_figure(learned.rows) + ratio_figure(learned.rows) + error_table(learned)
        sections.append(("errors", "Error over the horizon", errors))
    if learned.traces:
        sections.append(("forces", "Measured and predicted", force_figures(learned)))
        sections.append(("coverage", "Coverage", coverage_figure(learned)))
    if any(learned.curves.values()):
        sections.append(("training", "Training", training_figure(learned.curves)))
    sections.append(("features", "Where it holds", feature_table(learned)))
    sections.append(("outputs", "What it corrects", output_table(learned)))
    return page(f"Learned residual of {residual.robot}", described(residual), sections)
