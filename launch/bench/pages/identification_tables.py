"""The tables of docs/identification.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from launch.bench.identification.tables import relative
from launch.bench.pages.markdown import digits, table, time
from launch.bench.pages.measurements import Measurement

_CONTENDERS = ("mpc identify", "mujoco.sysid")


def spread_table(rows: Sequence[Measurement]) -> str:
    """Middle of the estimates ± half their range over all window lengths, and the half-width that was stated (median)."""
    header = ("data", "parameter", *(cell for name in _CONTENDERS for cell in (f"{name}: spread", "stated")))
    return table(header, _side_by_side(rows, "spread", _spread, 2), left=2)


def coverage_table(rows: Sequence[Measurement]) -> str:
    """How often the stated intervals hold the truth, and the rms error beside the half-width that was stated (median)."""
    header = ("data", "parameter", *(cell for name in _CONTENDERS for cell in (f"{name}: inside", "rms error, stated")))
    return table(header, _side_by_side(rows, "coverage", _coverage, 2), left=2)


def error_table(rows: Sequence[Measurement]) -> str:
    """RMS of what was held out, simulated open loop, and the time from logs to intervals, for every length of the windows."""
    lines = []
    for (case, window_s), pair in _paired([r for r in rows if r["kind"] == "fit"], ("case", "window_s")).items():
        cells = [cell for name in _CONTENDERS for cell in (_fit(pair[name]) if name in pair else ("–", "–"))]
        lines.append((str(case), f"{window_s:g} s", *cells))
    return table(("data", "windows", *(cell for name in _CONTENDERS for cell in (f"{name}: error", "time"))), lines, left=1)


def speed_table(rows: Sequence[Measurement]) -> str:
    """Times against their targets; bold where one is met."""
    lines = []
    for row in rows:
        if row["kind"] == "speed":
            spent = time(row["seconds"] * 1e6)
            target = "" if row["target_s"] is None else f"{row['target_s']:g} s"
            lines.append((row["name"], row["data"], f"**{spent}**" if row["met"] else spent, target))
    return table(("", "data", "time", "at most"), lines, left=2)


def rate_table(rows: Sequence[Measurement]) -> str:
    """Windows a second with all derivatives, and the share of the core's peak that their operations are."""
    lines = [
        (
            row["name"],
            f"{row['windows']} of {row['samples']} samples",
            f"{row['windows_per_s']:.0f}",
            f"{row['operations_per_window'] * 1e-6:.1f} M",
            f"{row['gflops']:.1f}",
            f"{row['share']:.0%}".replace("%", " %"),
        )
        for row in rows
        if row["kind"] == "rate"
    ]
    return table(("", "windows", "windows/s", "operations a window", "Gflop/s", "of peak"), lines, left=2)


def _side_by_side(
    rows: Sequence[Measurement], kind: str, cells: Callable[[Measurement], Sequence[str]], count: int
) -> list[tuple[str, ...]]:
    """A line a parameter, with the cells of every contender."""
    lines = []
    for (case, parameter), pair in _paired([r for r in rows if r["kind"] == kind], ("case", "parameter")).items():
        unit = next(iter(pair.values()))["unit"]
        shown = [cell for name in _CONTENDERS for cell in (cells(pair[name]) if name in pair else ("–",) * count)]
        lines.append((str(case), f"{parameter} [{unit}]", *shown))
    return lines


def _paired(rows: Sequence[Measurement], keys: tuple[str, str]) -> Mapping[tuple[str, float | str], dict[str, Measurement]]:
    """By two entries, then by contender."""
    found: dict[tuple[str, float | str], dict[str, Measurement]] = {}
    for row in rows:
        found.setdefault((row[keys[0]], row[keys[1]]), {})[row["contender"]] = row
    return found


def _spread(row: Measurement) -> tuple[str, str]:
    share = relative(row).replace("%", " %")
    return f"{row['middle']:.4g} ± {digits(row['half_range'])}" + (f" ({share})" if share else ""), f"± {digits(row['stated'])}"


def _coverage(row: Measurement) -> tuple[str, str]:
    return f"{row['inside']} of {row['seeds']}", f"{digits(row['rms_error'])}, ± {digits(row['stated'])}"


def _fit(row: Measurement) -> tuple[str, str]:
    errors = "/".join(f"{error * row['error_scale']:.3g}" for error in row["validation_rms"])
    return f"{errors} {row['error_unit']}" if errors else "–", f"{row['seconds']:.2g} s"
