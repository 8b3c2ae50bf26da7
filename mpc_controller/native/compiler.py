"""Which C compiler builds the native code: the machine's own, else the one in the ziglang wheel."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import final

_SYSTEM_COMPILERS = ("cc", "gcc", "clang")


class CompilerError(RuntimeError):
    """There is no C compiler, or it refused the code. The text says what to do or what the compiler said."""


@final
@dataclass(frozen=True)
class Compiler:
    """How to start it, a short name for people, and the version line that takes part in the cache's key."""

    command: tuple[str, ...]
    name: str
    version: str


def find_compiler() -> Compiler:
    """$CC, cc, gcc or clang from the PATH, else `python -m ziglang cc`.

    Raises CompilerError when $CC names something that does not run, and when there is none at all.
    """
    chosen = os.environ.get("CC", "").strip()
    if chosen:
        compiler = _system_compiler(tuple(shlex.split(chosen)))
        if compiler is None:
            raise CompilerError(f"$CC is '{chosen}', which does not run; unset it or set it to a C compiler such as gcc")
        return compiler
    for name in _SYSTEM_COMPILERS:
        compiler = _system_compiler((name,))
        if compiler is not None:
            return compiler
    if importlib.util.find_spec("ziglang") is not None:
        return Compiler((sys.executable, "-m", "ziglang", "cc"), "zig", importlib.metadata.version("ziglang"))
    install = f"install gcc, or run '{sys.executable} -m pip install ziglang'"
    raise CompilerError(f"no C compiler found ($CC, cc, gcc, clang, ziglang); {install}")


def _system_compiler(command: tuple[str, ...]) -> Compiler | None:
    """The compiler behind a command; None when it is not there or does not answer `--version`."""
    if shutil.which(command[0]) is None:
        return None
    try:
        answer = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    version = answer.stdout.strip().splitlines()
    name = "zig" if "ziglang" in command else os.path.basename(command[0])  # `python -m ziglang cc` is not called python
    return Compiler(command, name, version[0] if version else "unknown version")


if __name__ == "__main__":
    try:
        found = find_compiler()
    except CompilerError as error:
        sys.exit(f"error: {error}")
    print(f"C compiler: {' '.join(found.command)} ({found.version})")
