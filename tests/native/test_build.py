"""The compile cache: when it hits, when it must not, and what survives damage and company."""

from __future__ import annotations

import ctypes
import importlib.util
import multiprocessing
import multiprocessing.synchronize
import os
import platform
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mpc_controller.native.build import Build, Source, build_library
from mpc_controller.native.compiler import CompilerError, find_compiler
from tests.drivers.processes import PATIENCE_S, wait_for

ANSWER = Source("answer.c", '#include "number.h"\nint answer(void) { return NUMBER; }\n')


def _build(key: str = "key", number: int = 42, report: list[str] | None = None) -> Build:
    header = Source("number.h", f"#define NUMBER {number}\n")
    lines: list[str] = [] if report is None else report
    return build_library("the answer", key, lambda: [header, ANSWER], lines.append)


def _no_sources() -> Sequence[Source]:
    raise AssertionError("sources were asked for although the library is in the cache")


def _build_in_child(barrier: multiprocessing.synchronize.Barrier, results: multiprocessing.Queue[int]) -> None:
    barrier.wait()
    results.put(_build().library.answer())


def test_the_second_build_with_a_key_comes_from_the_cache_without_its_sources(cache: Path) -> None:
    first = _build()
    second = build_library("the answer", "key", _no_sources, print)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert first.path == second.path
    assert first.path.is_relative_to(cache)
    assert second.library.answer() == 42


def test_another_key_or_compiler_is_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {_build("one", 1).path, _build("two", 2).path}
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(find_compiler().command)} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("CC", str(wrapper))
    paths.add(_build("one", 1).path)
    assert len(paths) == 3


def test_another_architecture_is_another_library_and_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("the name of the architecture is one of x86-64")
    source = Source("avx.c", "#ifdef __AVX__\nint avx(void) { return 1; }\n#else\nint avx(void) { return 0; }\n#endif\n")
    zig = [(sys.executable, "-m", "ziglang", "cc")] if importlib.util.find_spec("ziglang") is not None else []
    for command in (find_compiler().command, *zig):
        monkeypatch.setenv("CC", shlex.join(command))
        for architecture, has_avx in (("x86-64-v2", 0), ("x86-64-v3", 1)):
            monkeypatch.setenv("MPC_MARCH", architecture)
            assert build_library("avx", "key", lambda: [source], print).library.avx() == has_avx


def test_a_build_says_what_it_does_and_a_hit_says_nothing(cache: Path) -> None:
    lines: list[str] = []
    _build(report=lines)
    assert lines[0] == f"building the answer … (once; kept in {cache / 'native'})"
    assert lines[1].startswith("built the answer in ")
    _build(report=lines)
    assert len(lines) == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "changed"])
def test_a_damaged_library_is_built_again(damage: str) -> None:
    path = _build().path
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {"empty": b"", "cut": content[:middle], "changed": content[:middle] + b"\xff" + content[middle + 1 :]}
    path.unlink()
    path.write_bytes(damaged[damage])
    again = _build()
    assert not again.from_cache
    assert path.read_bytes() != damaged[damage]
    assert again.library.answer() == 42
    assert _build().from_cache  # what was put there is whole


def test_two_processes_may_build_the_same_library_at_once(cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    children = [context.Process(target=_build_in_child, args=(barrier, results)) for _ in range(2)]
    for child in children:
        child.start()
    assert [results.get(timeout=60) for _ in children] == [42, 42]
    for child in children:
        child.join()
    assert [file.suffix for file in (cache / "native").iterdir()] == [".so"]


def test_an_unusable_cache_folder_is_a_warning_and_the_library_works(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    lines: list[str] = []
    build = _build(report=lines)
    assert "warning: cannot keep the answer" in lines[0]
    assert build.library.answer() == 42
    assert not build.path.parent.exists()


def test_an_error_of_the_compiler_shows_the_command_and_what_it_said(cache: Path) -> None:
    with pytest.raises(CompilerError, match=r"(?s)-c wrong\.c .*wrong\.c:1"):
        build_library("a mistake", "key", lambda: [Source("wrong.c", "int f( {")], print)
    assert list((cache / "native").iterdir()) == []


def test_who_interrupts_a_build_waits_for_no_compiler_and_finds_nothing_left(tmp_path: Path) -> None:
    wrapper, temporary = tmp_path / "wrapper", tmp_path / "temporary"
    temporary.mkdir()
    endless = f"touch {tmp_path}/compiling; touch $TMPDIR/its_own; sleep 1000; exit"
    compiler = shlex.join(find_compiler().command)
    wrapper.write_text(f'#!/bin/sh\ncase "$*" in *answer.c*) {endless};; esac\nexec {compiler} "$@"\n')
    wrapper.chmod(0o755)
    environment = os.environ | {"CC": str(wrapper), "TMPDIR": str(temporary)}
    code = "from tests.native.test_build import _build; _build()"
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for((tmp_path / "compiling").exists)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE_S)  # it waits until its compilers are gone
        finally:
            process.kill()
    assert said.splitlines()[-1] == "KeyboardInterrupt"
    assert list(temporary.iterdir()) == []


def test_each_source_is_compiled_at_its_own_level() -> None:
    text = "int {name}_optimized(void) {{\n#ifdef __OPTIMIZE__\nreturn 1;\n#else\nreturn 0;\n#endif\n}}\n"
    sources = [Source("fast.c", text.format(name="fast")), Source("slow.c", text.format(name="slow"), "-O0")]
    library = build_library("levels", "key", lambda: sources, print).library
    assert (library.fast_optimized(), library.slow_optimized()) == (1, 0)


def test_not_a_number_survives_the_flags() -> None:
    source = Source("nan.c", "#include <math.h>\nint is_bad(double x) { return !isfinite(x) || x != x; }\n")
    library = build_library("nan", "key", lambda: [source], print).library
    library.is_bad.argtypes = [ctypes.c_double]
    assert [library.is_bad(x) for x in (float("nan"), float("inf"), 1.0)] == [1, 1, 0]


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="the ziglang wheel is not installed")
def test_the_compiler_of_the_wheel_builds_the_same_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", os.devnull)
    assert _build().library.answer() == 42
