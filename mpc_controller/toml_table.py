"""Strict reading of TOML: every value is asked for with its type and range, and whatever is left over is an error."""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar, final

T = TypeVar("T")


class TomlError(ValueError):
    """Names the file, the key and its line, what was given and what would be valid."""


def parse_toml(text: str) -> dict[str, Any]:
    """The document. Raises ValueError for what is not TOML, or is so deep or long that it can't be read."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # of more digits than Python converts
        raise ValueError("a whole number is too long") from None


@final
class TomlTable:
    """One table of a file. The methods take a key and give its value, or `default` when the key is absent.

    All raise TomlError. After the last one, `finish()` refuses the keys that nobody asked for.
    """

    def __init__(self, path: Path, text: str, values: Mapping[str, Any], name: str = "") -> None:
        self._path, self._text, self._values, self._name = path, text, values, name
        self._known: list[str] = []

    @staticmethod
    def read(path: Path) -> TomlTable:
        """The top table of a file."""
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise TomlError(f"{path}: no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise TomlError(f"{path}: cannot be read: {error}") from None
        try:
            return TomlTable(path, text, parse_toml(text))
        except ValueError as error:
            raise TomlError(f"{path}: not valid TOML: {error}") from None

    def text(self, key: str, default: str | None, choices: Collection[str] = ()) -> str | None:
        value = self._value(key, default)
        if value is not default and (not isinstance(value, str) or (choices and value not in choices)):
            raise self.error(key, f"must be {'one of ' + ', '.join(choices) if choices else 'a string'}{_hint(value, choices)}")
        return None if value is None else str(value)

    def required_text(self, key: str, choices: Collection[str] = ()) -> str:
        value = self.text(key, None, choices)
        if value is None:
            raise self.lacks(key, f"one of {', '.join(choices)}" if choices else "a string")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.error(key, "must be true or false")
        return value

    def integer(self, key: str, default: int, lower: int, upper: int) -> int:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not lower <= value <= upper:
            raise self.error(key, f"must be an integer in [{lower}, {upper}]")
        return int(value)

    def number(self, key: str, default: float | None, lower: float, upper: float) -> float | None:
        """A number in [lower, upper]."""
        value = self._value(key, default)
        if value is None:
            return None
        if not _is_number_in(value, lower, upper):
            raise self.error(key, f"must be a number in [{lower:g}, {upper:g}]")
        return float(value)

    def is_text(self, key: str) -> bool:
        """Whether the key's value is a string."""
        return isinstance(self._values.get(key), str)

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of strings."""
        value = self._value(key, list(default))
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self.error(key, "must be a list of strings")
        return tuple(value)

    def indices(self, key: str) -> tuple[int, ...] | None:
        """A list of integers of at least 0."""
        value = self._value(key, None)
        whole = isinstance(value, list) and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value)
        if value is not None and not whole:
            raise self.error(key, "must be a list of integers of at least 0")
        return None if value is None else tuple(value)

    def names(self) -> tuple[str, ...]:
        """The keys that are there, in their order; of a table whose keys are names that users choose."""
        return tuple(self._values)

    def numbers(self, key: str, default: tuple[float, ...], count: int, lower: float, upper: float) -> tuple[float, ...]:
        """A list of `count` numbers in [lower, upper]."""
        value = self._value(key, list(default))
        if not isinstance(value, list) or len(value) != count or not all(_is_number_in(n, lower, upper) for n in value):
            raise self.error(key, f"must be a list of {count} numbers in [{lower:g}, {upper:g}]")
        return tuple(float(n) for n in value)

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._values

    def input_file(self, key: str) -> Path | None:
        """An existing file; a relative path starts at the folder of the TOML file."""
        value = self.text(key, None)
        if value is None:
            return None
        path = self._path.parent / value
        if not os.path.isfile(path):  # which takes a name that cannot be one as a file that is not there
            raise self.error(key, f"must be a file; there is no {path}")
        return path

    def table(self, key: str) -> TomlTable:
        """A table inside this one; an empty one when absent."""
        value = self._value(key, {})
        if not isinstance(value, dict):
            raise self.error(key, "must be a table")
        return TomlTable(self._path, self._text, value, self._dotted(key))

    def required_table(self, key: str, valid: str) -> TomlTable:
        """A table inside this one that must be there; `valid` says what it would be."""
        if key not in self._values:
            raise self.lacks(key, valid)
        return self.table(key)

    def parsed(self, reader: Callable[[Mapping[str, Any]], T]) -> T:
        """What a reader with rules of its own makes of the whole table; its ValueError gets this file's name and the line."""
        self._known.extend(self._values)
        try:
            return reader(self._values)
        except ValueError as error:
            named = [key for key in self._values if f"'{key}'" in str(error) or f"'{key}." in str(error)]
            raise TomlError(f"{self._path}: {error}{self._line(named[0]) if named else ''}") from None

    def finish(self) -> None:
        """Refuse unknown keys."""
        for key in self._values:
            if key not in self._known:
                self._known = list(dict.fromkeys(self._known))
                message = f"unknown key '{self._dotted(key)}'{_hint(key, self._known)}; valid are {', '.join(self._known)}"
                raise TomlError(f"{self._path}: {message}{self._line(key)}")

    def error(self, key: str, expected: str) -> TomlError:
        """The error for a key's value."""
        given = self._values.get(key)
        shown = f"'{given}'" if isinstance(given, str) else str(given).lower() if isinstance(given, bool) else repr(given)
        return TomlError(f"{self._path}: '{self._dotted(key)}' is {shown}; it {expected}{self._line(key)}")

    def lacks(self, key: str, valid: str) -> TomlError:
        """The error for a key that is not there."""
        return TomlError(f"{self._path}: no '{self._dotted(key)}'; it must be {valid}")

    def refusal(self, key: str, reason: ValueError) -> TomlError:
        """The error for a key's value that others refuse, in their words."""
        return TomlError(f"{self._path}: '{self._dotted(key)}': {reason}{self._line(key)}")

    def _value(self, key: str, default: Any) -> Any:
        self._known.append(key)
        value = self._values.get(key, default)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(key, "must be finite")
        return value

    def _dotted(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def _line(self, key: str) -> str:
        """Where the key stands, as ' (line 3)'; '' when it is written in an unusual way."""
        section, inline = "", ""
        for number, line in enumerate(self._text.splitlines(), start=1):
            header = re.match(r"\s*\[\s*([\w.\"' -]+?)\s*\]", line)
            section = header[1] if header else section
            written = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*[=.]", line)
            if (section == self._name and written and written[1] == key) or (header and section == self._dotted(key)):
                return f" (line {number})"
            if written and self._name in (written[1], f"{section}.{written[1]}"):
                inline = f" (line {number})"
        return inline


def _is_number_in(value: object, lower: float, upper: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and lower <= value <= upper


def _hint(given: object, valid: Collection[str]) -> str:
    close = difflib.get_close_matches(str(given), valid, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
