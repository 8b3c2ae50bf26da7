"""What is looked for in every log before it is fitted: what cannot be right is refused, or left out and counted."""

from __future__ import annotations

from dataclasses import replace

from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.agreement import check_agreement
from mpc_controller.identification.log_files.frozen import without_frozen
from mpc_controller.identification.log_files.jumps import without_jumps
from mpc_controller.identification.log_files.motion import check_motion, without_saturation
from mpc_controller.identification.log_files.values import normalized, plausible, with_nan
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure

# A piece of less than this share of a horizon says nothing of how the model predicts.
_SHORTEST_PIECE = 0.25
_SHORTEST_LOG = 2.0  # horizons
_FEWEST_STEPS = 4  # samples a horizon


def check_log(log: Log, structure: ModelStructure, absent: tuple[str, ...] = ()) -> Log:
    """The log without what is bad in it. `absent`: measured states (a quaternion by its stem) that it is known not to have.

    Values that are NaN or cannot be stay in their pieces as NaN, "not measured"; pieces are cut at jumps that stay and at
    controls that cannot be. Quaternions become unit ones without flips, angles that wrap become continuous. Raises
    IdentificationError, with the log's name, the signal and the time, where too much is bad: signals missing, constant,
    saturated or of a wrong unit, attitudes and positions that do not move as their rates say, logs too short.
    """
    ny, nu = len(structure.measured), structure.dynamics.nu
    if log.measured.shape[1] != ny or log.controls.shape[1] != nu:
        given = f"{log.measured.shape[1]} measured states and {log.controls.shape[1]} controls"
        raise IdentificationError(f"{log.name}: {given}; {structure.name} has {ny} and {nu}")
    log = _without_short_pieces(log, structure)
    log = with_nan(log, structure, absent)
    log = plausible(log, structure)
    log = normalized(log, structure)
    log = without_frozen(log, structure)
    log = without_jumps(log, structure)
    log = without_saturation(log, structure)
    log = _without_short_pieces(log, structure)
    check_motion(log, structure)
    return check_agreement(log, structure)


def _without_short_pieces(log: Log, structure: ModelStructure) -> Log:
    """Pieces that a part of the horizon fits into. Raises where they are too few."""
    shortest = _SHORTEST_PIECE * structure.horizon_s
    long = tuple((a, b) for a, b in log.pieces if log.times[b - 1] - log.times[a] >= shortest)
    lost = [piece for piece in log.pieces if piece not in long]
    if lost:
        count, at = sum(b - a for a, b in lost), log.times[lost[0][0]]
        note = f"{len(lost)} pieces shorter than {shortest:.3g} s ({count} samples) left out, first at {at:.3f} s"
        log = replace(log, pieces=long, notes=(*log.notes, note))
    needed = _SHORTEST_LOG * structure.horizon_s
    if log.duration_s < needed:
        why = "; ".join(log.notes)
        given = f"{log.duration_s:.3g} s of {log.times[-1] - log.times[0]:.3g} s can be used"
        raise IdentificationError(
            f"{log.name}: {given}; a log needs two horizons, {needed:.3g} s" + (f" ({why})" if why else "")
        )
    if structure.horizon_s < _FEWEST_STEPS * log.period_s:
        given = f"{1 / log.period_s:.3g} samples a second"
        raise IdentificationError(
            f"{log.name}: {given}; a horizon of {structure.horizon_s:.3g} s needs at least {_FEWEST_STEPS}, "
            f"{_FEWEST_STEPS / structure.horizon_s:.3g} Hz"
        )
    return log
