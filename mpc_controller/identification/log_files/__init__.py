"""Files of recorded data as logs: our own recordings, and tables through a mapping, checked before anything is fitted."""

from mpc_controller.identification.log_files.check import check_log
from mpc_controller.identification.log_files.condition import Keep, parse_condition
from mpc_controller.identification.log_files.mapping import LogMapping, read_mapping
from mpc_controller.identification.log_files.read import read_logs

__all__ = ["Keep", "LogMapping", "check_log", "parse_condition", "read_logs", "read_mapping"]
