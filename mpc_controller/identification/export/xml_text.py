"""Changes to attributes in an XML file that leave every other byte as it is: comments, order, line breaks, blanks."""

from __future__ import annotations

import re
import xml.parsers.expat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.whole_file import objection, write_whole

_INDENT = "  "


@final
@dataclass(frozen=True)
class Element:
    """An element's start tag at text[start:end]; `parent` and `index` are places in the order of the file (−1: the root's)."""

    tag: str
    attributes: Mapping[str, str]
    parent: int
    index: int
    start: int
    end: int


@final
class XmlText:
    """The text of an XML file with its elements; `set` and `insert` collect changes, `changed` gives the text with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            data = path.read_bytes()
            self._text = data.decode("utf-8")
            self.elements = _elements(data)
        except FileNotFoundError:
            raise IdentificationError(f"{path}: no such file; it must be a model file to start from") from None
        except (OSError, UnicodeDecodeError, xml.parsers.expat.ExpatError) as error:
            raise IdentificationError(f"{path}: cannot be read as XML: {error}") from None
        self._attributes: dict[int, dict[str, str | None]] = {}
        self._children: dict[int, list[str]] = {}

    def named(self, tag: str, name: str, inside: str | None = None) -> Element:
        """The one element with this tag and name, within an element of tag `inside`; else an error that lists the names."""
        candidates = [e for e in self.elements if e.tag == tag and (inside is None or self._within(e, inside))]
        found = [e for e in candidates if e.attributes.get("name") == name]
        if len(found) != 1:
            valid = ", ".join(e.attributes["name"] for e in candidates if "name" in e.attributes) or "none with a name"
            what = f"no <{tag}> named '{name}'" if not found else f"{len(found)} elements <{tag}> named '{name}'"
            raise IdentificationError(f"{self.path}: {what}; there are {valid}")
        return found[0]

    def children(self, parent: Element, tag: str) -> Iterator[Element]:
        return (e for e in self.elements if e.parent == parent.index and e.tag == tag)

    def set(self, element: Element, attributes: Mapping[str, str | None]) -> None:
        """Give attributes their values; None takes one away."""
        self._attributes.setdefault(element.index, {}).update(attributes)

    def insert(self, parent: Element, child: str) -> None:
        """Put an element, as text on one line, in front of a parent's children."""
        self._children.setdefault(parent.index, []).append(child)

    def changed(self) -> str:
        text = self._text
        for element in reversed(self.elements):
            if element.index in self._attributes or element.index in self._children:
                tag = _with_attributes(text[element.start : element.end], self._attributes.get(element.index, {}))
                tag = self._with_children(tag, element)
                text = text[: element.start] + tag + text[element.end :]
        return text

    def _with_children(self, tag: str, element: Element) -> str:
        children = self._children.get(element.index, [])
        if not children:
            return tag
        line = self._text[self._text.rfind("\n", 0, element.start) + 1 : element.start]
        indent = line[: len(line) - len(line.lstrip())]
        inner = "".join(f"\n{indent}{_INDENT}{child}" for child in children)
        if tag.endswith("/>"):
            return f"{tag[:-2].rstrip()}>{inner}\n{indent}</{element.tag}>"
        return tag + inner

    def _within(self, element: Element, tag: str) -> bool:
        while element.parent >= 0:
            element = self.elements[element.parent]
            if element.tag == tag:
                return True
        return False


def numbers(values: Sequence[float]) -> str:
    """As text that reads back to the same numbers, bit by bit."""
    return " ".join(repr(float(value)) for value in values)


def write_xml(text: XmlText, destination: Path, force: bool) -> None:
    """With its changes, whole or not at all; an existing file is replaced only with `force`."""
    if reason := objection(destination, force):
        raise IdentificationError(reason)
    write_whole(destination, text.changed())


def _elements(data: bytes) -> list[Element]:
    found: list[Element] = []
    open_elements = [-1]
    parser = xml.parsers.expat.ParserCreate("utf-8")

    def start(tag: str, attributes: dict[str, str]) -> None:
        first = parser.CurrentByteIndex
        begin = len(data[:first].decode("utf-8"))
        end = begin + len(_start_tag(data, first).decode("utf-8"))
        found.append(Element(tag, attributes, open_elements[-1], len(found), begin, end))
        open_elements.append(len(found) - 1)

    def end(tag: str) -> None:
        open_elements.pop()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(data, True)
    return found


def _start_tag(data: bytes, first: int) -> bytes:
    """From `<` to the `>` that is not in quotes."""
    match = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""").match(data, first)
    assert match is not None  # the parser has read it
    return match.group(0)


def _with_attributes(tag: str, attributes: Mapping[str, str | None]) -> str:
    for name, value in attributes.items():
        match = re.search(rf"""(\s+{re.escape(name)}\s*=\s*)("[^"]*"|'[^']*')""", tag)
        if match and value is None:
            tag = tag[: match.start()] + tag[match.end() :]
        elif match:
            tag = f'{tag[: match.end(1)]}"{value}"{tag[match.end() :]}'
        elif value is not None:
            end = len(tag) - (2 if tag.endswith("/>") else 1)
            tag = f'{tag[:end].rstrip()} {name}="{value}"{tag[end:]}'
    return tag
