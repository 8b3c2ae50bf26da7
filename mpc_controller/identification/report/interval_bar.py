"""An estimate on a line: its interval, the nominal value, and bounds that are near."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from typing import Final

from mpc_controller.identification.fit import Estimated
from mpc_controller.identification.report.digits import shown_estimate

_WIDTH, _HEIGHT, _PAD = 220, 26, 10
_MIDDLE: Final = _HEIGHT / 2


def interval_bar(entry: Estimated, lower: float = -math.inf, upper: float = math.inf) -> str:
    """<svg> with the axis from the least to the greatest of what is shown; an interval past its bounds ends in arrows."""
    low, high = entry.interval
    inside = [v for v in (entry.nominal, entry.value, max(low, lower), min(high, upper)) if math.isfinite(v)]
    numbers = shown_estimate(entry)
    alt = f"{entry.name}: estimate {numbers.estimate} in {numbers.interval}, nominal {numbers.nominal} {entry.unit}".strip()
    view = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(alt)}"'
    start = f'<svg class="bar {entry.standing.name.lower()}" {view}>'
    if not inside:
        return f"{start}<title>{html.escape(alt)}</title></svg>"
    at = _axis(inside, lower, upper)
    parts = [f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{_MIDDLE}" y2="{_MIDDLE}"/>']
    parts += [_bound(at(bound), side) for bound, side in ((lower, -1), (upper, 1)) if 0 <= at(bound) <= _WIDTH]
    if math.isfinite(low) and math.isfinite(high):
        parts.append(_interval(at(low), at(high)))
    if math.isfinite(entry.nominal):
        parts.append(
            f'<line class="nominal" x1="{at(entry.nominal):.1f}" x2="{at(entry.nominal):.1f}" y1="4" y2="{_HEIGHT - 4}"/>'
        )
    if math.isfinite(entry.value):
        parts.append(f'<circle class="estimate" cx="{at(entry.value):.1f}" cy="{_MIDDLE}" r="4"/>')
    return f"{start}<title>{html.escape(alt)}</title>{''.join(parts)}</svg>"


def _axis(inside: list[float], lower: float, upper: float) -> Callable[[float], float]:
    """From values to x; a bound is on it if it is nearer than half of all that is shown, or if the shown reaches it."""
    left, right = min(inside), max(inside)
    span = right - left or abs(left) or 1.0
    for bound in (lower, upper):
        if left - span / 2 <= bound <= right + span / 2:
            left, right = min(left, bound), max(right, bound)
    if left == right:
        left, right = left - span / 2, right + span / 2
    scale = (_WIDTH - 2 * _PAD) / (right - left)
    return lambda value: _PAD + (value - left) * scale if math.isfinite(value) else math.copysign(1e6, value)


def _interval(low: float, high: float) -> str:
    left, right = max(low, 0.0), min(high, float(_WIDTH))
    bar = f'<rect class="interval" x="{left:.1f}" width="{max(right - left, 1.5):.1f}" y="{_MIDDLE - 5}" height="10" rx="3"/>'
    if low < 0:
        bar += f'<path class="more" d="M7 {_MIDDLE - 5} L1 {_MIDDLE} L7 {_MIDDLE + 5}"/>'
    if high > _WIDTH:
        bar += f'<path class="more" d="M{_WIDTH - 7} {_MIDDLE - 5} L{_WIDTH - 1} {_MIDDLE} L{_WIDTH - 7} {_MIDDLE + 5}"/>'
    return bar


def _bound(x: float, side: int) -> str:
    """A bracket, with what lies beyond it hatched out."""
    beyond = f'x="{x:.1f}" width="{_WIDTH - x:.1f}"' if side > 0 else f'x="0" width="{x:.1f}"'
    return (
        f'<rect class="beyond" {beyond} y="0" height="{_HEIGHT}"/>'
        f'<path class="bound" d="M{x - 4 * side:.1f} 2 H{x:.1f} V{_HEIGHT - 2} H{x - 4 * side:.1f}"/>'
    )
