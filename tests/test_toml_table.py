"""Strict reading of TOML: what is refused, and what the refusal says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpc_controller.toml_table import TomlError, TomlTable


def _table(folder: Path, text: str) -> TomlTable:
    path = folder / "file.toml"
    path.write_text(text)
    return TomlTable.read(path)


def test_values_come_with_their_types_and_defaults(tmp_path: Path) -> None:
    table = _table(tmp_path, 'name = "a"\nrate = 5\non = true\n[inner]\ncount = 3\n')
    inner = table.table("inner")
    assert table.text("name", None) == "a"
    assert table.number("rate", None, 0.0, 10.0) == 5.0
    assert table.flag("on", default=False) is True
    assert inner.integer("count", 0, 0, 9) == 3
    assert table.number("absent", None, 0.0, 1.0) is None
    table.finish()
    inner.finish()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate = 0", r"file.toml: 'rate' is 0; it must be a number in \[0.5, 10\] \(line 1\)"),
        ("rate = nan", r"'rate' is nan; it must be finite"),
        ("rate = inf", r"'rate' is inf; it must be finite"),
        ("rate = true", r"'rate' is true; it must be a number"),
        ('rate = "5"', r"'rate' is '5'; it must be a number"),
        ("\n\nrate = 11", r"\(line 3\)"),
    ],
)
def test_a_number_of_another_type_or_range_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TomlError, match=message):
        _table(tmp_path, text).number("rate", None, 0.5, 10.0)


def test_an_unknown_key_is_refused_with_its_line_and_the_one_that_was_meant(tmp_path: Path) -> None:
    table = _table(tmp_path, "[inner]\n# rte = 1\nrte = 5\n").table("inner")
    table.number("rate", None, 0.0, 10.0)
    with pytest.raises(TomlError, match=r"unknown key 'inner.rte' \(did you mean 'rate'\?\); valid are rate \(line 3\)"):
        table.finish()


def test_a_choice_is_refused_with_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(TomlError, match=r"'kind' is 'ned'; it must be one of red, blue \(did you mean 'red'\?\)"):
        _table(tmp_path, 'kind = "ned"').text("kind", None, ("red", "blue"))


def test_a_missing_file_and_one_that_is_not_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(TomlError, match=r"absent.toml: no such file"):
        TomlTable.read(tmp_path / "absent.toml")
    with pytest.raises(TomlError, match=r"file.toml: not valid TOML: .*line 1"):
        _table(tmp_path, "name = = 1")
