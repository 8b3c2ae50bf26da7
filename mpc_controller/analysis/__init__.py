"""What a recording tells: numbers, a table and a picture."""

from mpc_controller.analysis.figure import draw
from mpc_controller.analysis.run import Run, load_run, run_of
from mpc_controller.analysis.summary import summarize
from mpc_controller.analysis.table import format_table

__all__ = ["Run", "draw", "format_table", "load_run", "run_of", "summarize"]
