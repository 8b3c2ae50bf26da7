"""What a user sees of an identification: a table in the terminal and a page with pictures."""

from mpc_controller.identification.report.report import write_report
from mpc_controller.identification.report.terminal import format_identification

__all__ = ["format_identification", "write_report"]
