"""How a command ends: exit codes, and which errors are a user's to mend."""

from __future__ import annotations

import enum
from typing import final


@final
class ExitCode(enum.IntEnum):
    """Exit codes of every sub-command; `mpc --help` explains them."""

    OK = 0
    RUN_FAILED = 1
    BAD_INPUT = 2
    ENVIRONMENT = 3


@final
class CommandError(Exception):
    """Ends a command with one line on stderr and an exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


def exit_code_of(error: BaseException) -> ExitCode | None:
    """The code for an error whose text is meant for users; None for one that is a mistake in the program."""
    # Imported here: `mpc --help` must not wait for CasADi, and an error is not in a hurry.
    from mpc_controller.bus.endpoints import BusError
    from mpc_controller.bus.keys import KeysError
    from mpc_controller.bus.recording import RecordingError
    from mpc_controller.drivers.error import UnsuitableRobotError
    from mpc_controller.identification.model_structure import IdentificationError
    from mpc_controller.learning.options import LearningError
    from mpc_controller.model.parameters import ParameterError
    from mpc_controller.model.residual.residual_file import ResidualError
    from mpc_controller.native.compiler import CompilerError
    from mpc_controller.node.error import NodeError
    from mpc_controller.problem.cost import ProblemError
    from mpc_controller.toml_table import TomlError
    from robots import RobotError

    if isinstance(error, CommandError):
        return error.code
    of_input = TomlError | ParameterError | ProblemError | RobotError | RecordingError | IdentificationError
    if isinstance(error, of_input | LearningError | ResidualError | KeysError | UnsuitableRobotError):
        return ExitCode.BAD_INPUT
    if isinstance(error, BusError | NodeError | CompilerError | OSError):
        return ExitCode.ENVIRONMENT
    return None
