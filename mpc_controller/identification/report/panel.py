"""One small picture as SVG text that may stand in a page beside others."""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Callable
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mpc_controller.analysis.style import QUIET

WIDE: Final = (5.2, 2.0)  # inches; two of them beside each other on a desk, one above the other on a phone
SMALL: Final = (3.4, 1.9)
_LEFT, _RIGHT, _BOTTOM, _TOP = 0.58, 0.12, 0.42, 0.30  # margins [inch]

_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_PATH = re.compile(r'(?<= d=")[^"]*')
_POSITION = re.compile(r'(?<= [xy]=")-?\d+\.\d{2,}')
_USED = re.compile(r'(?:url\(#|href="#)([^")]+)')
_IDENTITY = re.compile(r' id="([^"]+)"')
_FONT = re.compile(r"('DejaVu Sans'|'Bitstream Vera Sans')[^;\"]*")


def panel(
    draw: Callable[[Axes], None],
    alt: str,
    size: tuple[float, float] = WIDE,
    left: float = _LEFT,
    bottom: float = _BOTTOM,
    top: float = _TOP,
) -> str:
    """What `draw` draws, as <svg> with `alt` for those who do not see it. Margins in inches, so that panels line up."""
    width, height = size
    style = {"svg.fonttype": "none", "svg.hashsalt": alt, "text.parse_math": False, "axes.titley": 1.0}
    with mpl.rc_context(style), warnings.catch_warnings():
        # Only widths are taken from the font; the reader's browser finds a glyph that it lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=size)
        FigureCanvasSVG(figure)
        box = (left / width, bottom / height, 1 - (left + _RIGHT) / width, 1 - (bottom + top) / height)
        axes = figure.add_axes(box)
        draw(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _embedded(text.getvalue(), alt)


def empty(axes: Axes, reason: str) -> None:
    """Say why there is nothing to see."""
    axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", fontsize=9, color=QUIET)
    axes.set_axis_off()


def titled(name: str, unit: str) -> str:
    """A quantity and its unit, above the axes: beside them there is no room."""
    words = name.replace("_", " ")
    return f"{words if len(words) <= 28 else words[:27] + '…'} [{unit or '-'}]"


def _embedded(svg: str, alt: str) -> str:
    """Without what the page does not need, coordinates to a hundredth of a point, and with names of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = _PATH.sub(lambda path: _NUMBER.sub(_rounded, path[0].replace("\n", "")), svg)
    svg = _POSITION.sub(_rounded, svg)
    svg = _FONT.sub("inherit", svg)
    used, own = set(_USED.findall(svg)), hashlib.sha256(alt.encode()).hexdigest()[:8]
    svg = _IDENTITY.sub(lambda m: f' id="{own}{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{own}", svg)
    view = re.search(r'viewBox="[^"]*"', svg)
    assert view is not None
    start = f'<svg {view[0]} role="img" aria-label="{html.escape(alt)}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return re.sub(r"\n\s*", "\n", start + svg[svg.index(">") + 1 :])


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
