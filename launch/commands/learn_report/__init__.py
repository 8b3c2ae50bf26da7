"""What a user sees of a learned residual: a table in the terminal and a page with pictures."""

from launch.commands.learn_report.page import write_learning_report
from launch.commands.learn_report.terminal import format_learned_residual

__all__ = ["format_learned_residual", "write_learning_report"]
