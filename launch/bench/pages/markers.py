"""Measured tables inside pages that people write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

# <!-- measured: NAME --> … <!-- end -->: the lines in between are the table of that name.
_BLOCK = re.compile(r"(?P<head><!-- measured: (?P<name>[\w-]+) -->\n).*?(?P<tail><!-- end -->)", re.DOTALL)


class MarkerError(ValueError):
    """A page asks for a table that does not exist. The text says which there are."""


def filled(text: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """The page with every marked block replaced by its table. Raises MarkerError."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in tables:
            raise MarkerError(f"no measured table '{name}'; there are {', '.join(tables)}")
        return f"{match['head']}\n{tables[name]()}\n\n{match['tail']}"

    return _BLOCK.sub(block, text)
