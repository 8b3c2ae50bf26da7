"""What `mpc identify` found, in rows for the terminal and in numbers for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mpc_controller.identification.fit import Identification, Standing


def format_parts(results: Mapping[str, Identification]) -> str:
    """A row for every part: the estimates with their 95 % half-widths; in brackets what its data do not see."""
    fits = {part: result.fit for part, result in results.items()}
    names = [f"{e.name} [{e.unit}]" if e.unit else e.name for e in next(iter(fits.values())).estimated]
    rows = [["", *names]]
    for part, fit in fits.items():
        cells = (f"{e.value:.4g} ± {e.half_width:.2g}" for e in fit.estimated)
        seen = (e.standing is Standing.IDENTIFIED for e in fit.estimated)
        rows.append([part, *(cell if is_seen else f"({cell})" for cell, is_seen in zip(cells, seen, strict=True))])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def summary_of(result: Identification, output: Path, page: Path) -> dict[str, object]:
    """The numbers of an identification, for JSON."""
    fit = result.fit
    return {
        "method": fit.method,
        "seconds": fit.seconds,
        "converged": fit.converged,
        "iterations": fit.iterations,
        "estimates": [
            {
                "name": e.name,
                "unit": e.unit,
                "nominal": e.nominal,
                "value": e.value,
                "half_width": e.half_width,
                "identifiable": e.standing.value,
            }
            for e in fit.estimated
        ],
        "control_delay_s": fit.control_delay_s,
        "predictions": [
            {
                "log": after.log,
                "role": after.role,
                "signals": [
                    {
                        "name": signal.name,
                        "unit": signal.unit,
                        "nominal_at_horizon": float(before.error[-1, k]),
                        "fitted_at_horizon": float(after.error[-1, k]),
                        "nominal_cumulated": float(before.error[:, k].sum()),
                        "fitted_cumulated": float(after.error[:, k].sum()),
                        "open_loop_rms": float(after.open_loop_rms[k]),
                    }
                    for k, signal in enumerate(fit.structure.signals)
                ],
            }
            for before, after in zip(result.nominal_predictions, result.predictions, strict=True)
        ],
        **({"cross_validation": _held_out(result)} if fit.cross_validation else {}),
        "notes": [*fit.notes, *result.notes],
        "parameters": output,
        "report": page,
    }


def _held_out(result: Identification) -> list[dict[str, object]]:
    """Errors of every log, predicted by a fit to the others, and what that fit found."""
    fit, validated = result.fit, result.fit.cross_validation
    assert validated is not None
    return [
        {
            "log": log,
            "error_at_horizon": {s.name: float(error[-1, k]) for k, s in enumerate(fit.structure.signals)},
            "values": {e.name: float(value) for e, value in zip(fit.estimated, values, strict=True)},
        }
        for log, error, values in zip(validated.logs, validated.errors, validated.estimates, strict=True)
    ]
