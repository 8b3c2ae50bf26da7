"""Parts of a page that needs nothing but itself: no scripts, no fonts, no pictures from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from mpc_controller.identification.report.style_sheet import STYLE_SHEET


@final
@dataclass(frozen=True)
class Column:
    """Of a table: its title, and the class of its cells ("number" aligns them to the right)."""

    title: str
    kind: str = ""


def page(title: str, subtitle: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """A whole document of sections (name for links, title, content)."""
    links = "".join(f'<a href="#{name}">{escape(heading)}</a>' for name, heading, _ in sections)
    body = "\n".join(
        f'<section id="{name}"><h2>{escape(heading)}</h2>\n{content}\n</section>' for name, heading, content in sections
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n{STYLE_SHEET}</style>\n</head>\n'
        f"<body>\n<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p><nav>{links}</nav></header>\n"
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def escape(text: str) -> str:
    """For HTML, with numbers and their percent signs kept on one line."""
    return html.escape(text).replace(" %", "\u00a0%")


def figure(panels: Sequence[str], caption: str, heading: str = "", columns: int = 2) -> str:
    """Pictures beside each other as far as the screen allows, and how to read them."""
    top = f"<h3>{escape(heading)}</h3>" if heading else ""
    grid = f'<div class="panels of{columns}">{"".join(f"<div>{p}</div>" for p in panels)}</div>'
    return f"<figure>{top}{grid}<figcaption>{escape(caption)}</figcaption></figure>\n"


def table(columns: Sequence[Column], blocks: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> str:
    """Rows in blocks with titles ("" for none); cells and titles are HTML.

    On a phone every row becomes a card, in which a cell stands beside the title of its column.
    """
    top = "".join(f'<th class="{c.kind}">{escape(c.title)}</th>' for c in columns)
    lines = []
    for title, rows in blocks:
        if title:
            lines.append(f'<tr class="block"><td colspan="{len(columns)}"><div>{title}</div></td></tr>')
        lines += ["<tr>" + "".join(_cell(c, cell) for c, cell in zip(columns, row, strict=True)) + "</tr>" for row in rows]
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{chr(10).join(lines)}\n</tbody></table>"


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and what they are, as text."""
    return "<dl>" + "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in pairs) + "</dl>"


def paragraph(text: str, kind: str = "") -> str:
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{escape(text)}</p>"


def bullets(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _cell(column: Column, content: str) -> str:
    kind = f' class="{column.kind}"' if column.kind else ""
    return f'<td{kind} data-label="{escape(column.title)}"><div>{content}</div></td>'
