"""C texts to a loaded library, through a cache: the same inputs are compiled once per machine."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import final

from mpc_controller.native.cache import cache_folder, exclusive, library_path, load_library, processor, store_library
from mpc_controller.native.compiler import Compiler, CompilerError, find_compiler
from mpc_controller.native.compiler_runs import CompilerRuns

# No -ffast-math: the NaN checks of the kernels must work. Nobody reads errno or the floating-point exception flags.
_FLAGS = ("-fPIC", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math")
# `zig cc` links a sanitizer that ends the process where C leaves the behaviour open; the other compilers do not.
_ZIG_FLAGS = ("-fno-sanitize=undefined",)


@final
@dataclass(frozen=True)
class Source:
    """One C file. Kernels want -O3; straight-line generated code of many thousand lines compiles in reasonable time at -O1.

    A name that ends in .h is written beside the others, for them to include, and not compiled.
    """

    name: str
    text: str
    optimization: str = "-O3"


@final
@dataclass(frozen=True)
class Build:
    """A loaded library, its file (gone when there is no writable cache), what it took [s], and whether it was there already."""

    library: ctypes.CDLL
    path: Path
    seconds: float
    from_cache: bool


def architecture() -> str:
    """What instructions the code may use, as for -march: $MPC_MARCH (x86-64-v3, armv8-a), else those of this machine."""
    return os.environ.get("MPC_MARCH", "").strip() or "native"


def build_library(name: str, key: str, sources: Callable[[], Sequence[Source]], report: Callable[[str], None]) -> Build:
    """The library of `sources()`; from the cache when `key`, compiler, flags, processor and CasADi are those of a build before.

    `sources` is called on a miss only, so `key` must determine what it gives. `name` is for people ("the solver of
    quadrotor/figure-eight"); `report` takes lines that say what takes long. Raises CompilerError.
    """
    start = time.monotonic()
    compiler = find_compiler()
    path = library_path(cache_folder() / "native", name, _digest(key, compiler))
    library = load_library(path)
    if library is not None:
        return Build(library, path, time.monotonic() - start, from_cache=True)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        report(f"warning: cannot keep {name} in {path.parent} ({error.strerror}): it is built anew at every start")
        report(f"building {name} …")
        return _build_unkept(path.name, sources(), compiler, start)
    with exclusive(path, waiting=lambda: report(f"waiting for another process that is building {name} …")):
        library = load_library(path)
        if library is not None:
            return Build(library, path, time.monotonic() - start, from_cache=True)
        report(f"building {name} … (once; kept in {path.parent})")
        with tempfile.TemporaryDirectory(prefix="mpc-build-") as folder:
            store_library(_compile(sources(), compiler, Path(folder)), path)
    library = load_library(path)
    if library is None:
        raise CompilerError(f"{path} was built but cannot be loaded; is {path.parent} on a file system mounted noexec or full?")
    seconds = time.monotonic() - start
    report(f"built {name} in {seconds:.1f} s")
    return Build(library, path, seconds, from_cache=False)


def _build_unkept(file_name: str, sources: Sequence[Source], compiler: Compiler, start: float) -> Build:
    """Build in a folder that is gone on return; a loaded library stays loaded without its file."""
    with tempfile.TemporaryDirectory(prefix="mpc-build-") as folder:
        linked = _compile(sources, compiler, Path(folder))
        return Build(ctypes.CDLL(str(linked)), Path(folder) / file_name, time.monotonic() - start, from_cache=False)


def _digest(key: str, compiler: Compiler) -> str:
    """SHA-256 over everything that the library's bytes depend on."""
    parts = (key, *compiler.command, compiler.version, *_flags(compiler), processor(), importlib.metadata.version("casadi"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _flags(compiler: Compiler) -> tuple[str, ...]:
    """All flags but the level of optimisation. zig writes x86-64-v3 with underscores."""
    if compiler.name == "zig":
        return (f"-march={architecture().replace('-', '_')}", *_FLAGS, *_ZIG_FLAGS)
    return (f"-march={architecture()}", *_FLAGS)


def _compile(sources: Sequence[Source], compiler: Compiler, folder: Path) -> Path:
    """Compile every source to its own object, side by side, and link them: the shared library in `folder`."""
    flags = _flags(compiler)
    for source in sources:
        (folder / source.name).write_text(source.text)
    units = [source for source in sources if not source.name.endswith(".h")]
    commands = [
        [*compiler.command, source.optimization, *flags, "-c", source.name, "-o", f"{source.name}.o"] for source in units
    ]
    linked = folder / "library.so"
    objects = [f"{source.name}.o" for source in units]
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool, CompilerRuns(folder) as compilers:
        list(pool.map(compilers.run, commands))
        # The flags again: without them zig builds its support library for debugging, which takes 12 s more the first time.
        compilers.run([*compiler.command, "-O3", *flags, "-shared", "-o", linked.name, *objects, "-lm"])
    return linked
