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


def test_lists_are_of_strings_or_of_whole_numbers(tmp_path: Path) -> None:
    table = _table(tmp_path, 'names = ["a", "b"]\nplaces = [0, 2]\nmixed = ["a", 1]\nnegative = [-1]\n')
    assert table.texts("names", ()) == ("a", "b")
    assert table.texts("absent", ("c",)) == ("c",)
    assert table.indices("places") == (0, 2)
    assert table.indices("absent") is None
    with pytest.raises(TomlError, match=r"'mixed' is \['a', 1\]; it must be a list of strings \(line 3\)"):
        table.texts("mixed", ())
    with pytest.raises(TomlError, match=r"'negative' is \[-1\]; it must be a list of integers of at least 0 \(line 4\)"):
        table.indices("negative")


def test_a_key_of_an_inline_table_is_refused_with_the_line_of_the_table(tmp_path: Path) -> None:
    table = _table(tmp_path, "[a]\nb = { c = 1 }\nd = { c = 2 }\n").table("a").table("d")
    with pytest.raises(TomlError, match=r"'a.d.c' is 2; it must be a string \(line 3\)"):
        table.text("c", None)


def test_what_must_be_there_and_is_not_is_named_with_what_it_would_be(tmp_path: Path) -> None:
    table = _table(tmp_path, "[a]\n").table("a")
    with pytest.raises(TomlError, match=r"no 'a.kind'; it must be one of red, blue"):
        table.required_text("kind", ("red", "blue"))
    with pytest.raises(TomlError, match=r"no 'a.b'; it must be a table with a column"):
        table.required_table("b", "a table with a column")


def test_a_missing_file_and_one_that_is_not_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(TomlError, match=r"absent.toml: no such file"):
        TomlTable.read(tmp_path / "absent.toml")
    with pytest.raises(TomlError, match=r"file.toml: not valid TOML: .*line 1"):
        _table(tmp_path, "name = = 1")


def test_a_list_of_numbers_has_its_length_and_range(tmp_path: Path) -> None:
    table = _table(tmp_path, "a = [1, 2.5]\nb = [1, 11]\nc = [1, true]\n")
    assert table.numbers("a", (), 2, 0, 10) == (1.0, 2.5)
    assert table.numbers("absent", (3.0,), 1, 0, 10) == (3.0,)
    for key, count in (("a", 3), ("b", 2), ("c", 2)):
        with pytest.raises(TomlError, match=rf"'{key}' is .*; it must be a list of {count} numbers in \[0, 10\]"):
            table.numbers(key, (), count, 0, 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 3000, "file.toml: not valid TOML: nested too deep"),
        ("a = " + "{b = " * 3000, "file.toml: not valid TOML: nested too deep"),
        ("a = " + "9" * 5000, "file.toml: not valid TOML: a whole number is too long"),
    ],
    ids=["arrays", "tables", "digits"],
)
def test_what_is_too_deep_or_too_long_to_be_read_is_said_in_a_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TomlError, match=message):
        _table(tmp_path, text)


@pytest.mark.parametrize("name", ["a" * 5000, "a\\u0000b"])
def test_a_name_that_no_file_can_have_is_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(TomlError, match=r"'file' is .*; it must be a file; there is no"):
        _table(tmp_path, f'file = "{name}"').input_file("file")
