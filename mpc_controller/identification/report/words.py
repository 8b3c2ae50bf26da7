"""Findings of an identification as sentences."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit import Fit, Identification, Information, Standing
from mpc_controller.identification.log import Log
from mpc_controller.identification.report.digits import short, shown, shown_change
from mpc_controller.identification.report.horizon_error import LogErrors, mean_errors

_NAMED: Final = 5  # of a direction's entries
_SMALLEST_SHARE: Final = 0.2  # of its largest entry, that is worth a name
_NAMED_SIGNALS: Final = 4
_STRONG: Final = 0.9  # a correlation above is worth words
_WEAK: Final = 10.0  # a singular value below has a spread of more than 10 %: worth words

MEANINGS: Final = {
    Standing.IDENTIFIED: "the data determine it",
    Standing.PRIOR: "the data add little to what was known before",
    Standing.UNSEEN: "these data do not see it: do not trust the value",
    Standing.AT_BOUND: "the fit ended at a bound: the bound, not the data, decided",
}


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def all_notes(identification: Identification, logs: Sequence[Log] = ()) -> list[str]:
    """What the fit, the identification and the `logs` have to say, each once, as sentences."""
    fit = identification.fit
    names = {*fit.structure.dynamics.parameters.names, *(e.name for e in fit.estimated)}
    notes = [*fit.notes, *identification.notes]
    notes += [note if log.name in note else f"{log.name}: {note}" for log in logs for note in log.notes]
    return list(dict.fromkeys(sentence(note, names) for note in notes))


def sentence(note: str, names: Collection[str] = ()) -> str:
    """The note with a capital first letter, unless it begins with one of these names, or with a name and a colon."""
    first = note.partition(" ")[0]
    return note[:1].upper() + note[1:] if first.isalpha() and first not in names else note


def outcome(fit: Fit) -> str:
    """How the fit ended."""
    ended = "converged in" if fit.converged else "DID NOT CONVERGE within"
    return f"{ended} {fit.iterations} iteration{'' if fit.iterations == 1 else 's'}, {shown(fit.seconds, 2)} s"


def standing_summary(fit: Fit) -> str:
    """How many of the numbers the data identify, and which they do not."""
    by_standing = {s: [e.name for e in fit.estimated if e.standing is s] for s in Standing}
    seen = len(by_standing[Standing.IDENTIFIED])
    sentences = [f"{seen} of {len(fit.estimated)} numbers are identified by the data."]
    for standing, verb in (
        (Standing.PRIOR, "known mostly from before"),
        (Standing.UNSEEN, "not seen by these data"),
        (Standing.AT_BOUND, "at a bound"),
    ):
        names = by_standing[standing]
        if names:
            sentences.append(f"{_some(names)} {'is' if len(names) == 1 else 'are'} {verb}.")
    return " ".join(sentences)


def prediction_summary(identification: Identification) -> str:
    """What the fit changed at the end of the horizon, on logs that it has not seen if there are any."""
    errors = mean_errors(identification, "validation")
    if errors is not None:
        return f"On logs that the fit has not seen, {_changes(errors)}."
    errors = mean_errors(identification, "fitted")
    if errors is None:
        return "No log was predicted."
    return f"No log was kept aside for validation. On the fitted logs themselves, {_changes(errors)}."


def weak_directions(fit: Fit, most: int = 3) -> list[str]:
    """What the data see least, the worst first: always the worst, and others with a spread of more than 10 %."""
    sigma = fit.information.singular_values
    order = [int(i) for i in np.argsort(sigma) if math.isfinite(sigma[i])][:most]
    return [direction_in_words(fit, i) for rank, i in enumerate(order) if rank == 0 or sigma[i] < _WEAK]


def direction_in_words(fit: Fit, index: int) -> str:
    """One direction: which numbers move together, and how far within one standard deviation 1/σ along it."""
    information = fit.information
    sigma, direction = float(information.singular_values[index]), _with_largest_positive(information.directions[:, index])
    if not np.isfinite(direction).all():
        return f"σ = {short(sigma, 3)}: direction unknown."
    order = np.argsort(-np.abs(direction))
    named = [i for i in islice(order.tolist(), _NAMED) if abs(direction[i]) >= _SMALLEST_SHARE * abs(direction[order[0]])]
    if sigma <= 0:
        parts = [f"{direction[i]:+.2f} {information.names[i]}" for i in named]
        return f"σ = 0: not seen at all; any multiple of ({', '.join(parts)}), in their scales, predicts the same."
    moves = listed([f"{information.names[i]} {_move(fit, information, i, direction[i] / sigma)}" for i in named])
    together = " together" if len(named) > 1 else ""
    return f"σ = {short(sigma, 3)}: one standard deviation is {moves}{together}."


def strong_correlations(information: Information, most: int = 5) -> list[str]:
    """Pairs of estimates that the data hardly tell apart, the worst first."""
    r = np.abs(np.tril(np.nan_to_num(information.correlation), k=-1))
    worst = np.argsort(-r, axis=None)[:most]
    names = information.names
    pairs = [divmod(int(k), len(names)) for k in worst if r.flat[k] > _STRONG]
    return [f"{names[j]} and {names[i]}: {information.correlation[i, j]:+.3f}" for i, j in pairs]


def _with_largest_positive(direction: Array) -> Array:
    largest = int(np.argmax(np.abs(direction)))
    return -direction if direction[largest] < 0 else direction


def _move(fit: Fit, information: Information, i: int, scaled: float) -> str:
    """A change of an estimate, relative where that makes sense."""
    change, entry = scaled * float(information.scale[i]), fit.estimated[i]
    relative = shown_change(abs(entry.value), abs(entry.value) + change)
    if relative == shown_change(1.0, 1.0):  # less than it shows: two digits of it
        return f"{100 * change / abs(entry.value):+.2g} %"
    return relative or f"{'+' if change > 0 else ''}{shown(change, 2)} {entry.unit}".rstrip()


def _changes(errors: LogErrors) -> str:
    parts = []
    for c in [c for c in errors.changes if math.isfinite(c.fitted_end)][:_NAMED_SIGNALS]:
        change = shown_change(c.nominal_end, c.fitted_end)
        detail = f" ({change})" if change else ""
        parts.append(
            f"{c.signal.name.replace('_', ' ')} {shown(c.nominal_end)} → {shown(c.fitted_end)} {c.signal.unit}".rstrip()
            + detail
        )
    if not parts:
        return "the prediction errors are unknown"
    return f"the mean error {short(errors.horizon_s)} s ahead, from nominal to fitted values, is: {', '.join(parts)}"


def _some(names: Sequence[str], most: int = 6) -> str:
    return listed(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} others"
