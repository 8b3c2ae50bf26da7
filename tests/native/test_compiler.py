"""The compiler search: order, the wheel as the last resort, and what a user is told."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from mpc_controller.native.compiler import CompilerError, find_compiler


def _fake_compiler(path: Path, version: str) -> None:
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with one empty folder, and no $CC."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)
    return folder


def test_the_chosen_compiler_comes_before_those_on_the_path(empty_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_compiler(empty_path / "gcc", "gcc 1")
    _fake_compiler(empty_path / "special", "special 2")
    monkeypatch.setenv("CC", "special -m64")
    compiler = find_compiler()
    assert compiler.command == ("special", "-m64")
    assert compiler.version == "special 2"


def test_a_chosen_compiler_that_does_not_exist_is_named(empty_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_compiler(empty_path / "gcc", "gcc 1")
    monkeypatch.setenv("CC", "no-such-cc")
    with pytest.raises(CompilerError, match=r"\$CC is 'no-such-cc'"):
        find_compiler()


def test_cc_comes_before_gcc_and_gcc_before_clang(empty_path: Path) -> None:
    _fake_compiler(empty_path / "clang", "clang 1")
    assert find_compiler().name == "clang"
    _fake_compiler(empty_path / "gcc", "gcc 1")
    assert find_compiler().name == "gcc"
    _fake_compiler(empty_path / "cc", "cc 1")
    assert find_compiler().name == "cc"


def test_a_compiler_that_does_not_run_is_passed_over(empty_path: Path) -> None:
    (empty_path / "cc").write_text("#!/bin/sh\nexit 1\n")
    (empty_path / "cc").chmod(0o755)
    _fake_compiler(empty_path / "clang", "clang 1")
    assert find_compiler().name == "clang"


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="the ziglang wheel is not installed")
@pytest.mark.usefixtures("empty_path")
def test_the_wheel_is_the_last_resort() -> None:
    assert find_compiler().command == (sys.executable, "-m", "ziglang", "cc")


@pytest.mark.usefixtures("empty_path")
def test_without_any_compiler_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CompilerError, match=f"install gcc, or run '{sys.executable} -m pip install ziglang'"):
        find_compiler()
