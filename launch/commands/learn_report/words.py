"""What is said of a learned residual in sentences."""

from __future__ import annotations

import numpy as np

from mpc_controller.learning.learn import LearnedResidual


def verdict(learned: LearnedResidual) -> str:
    """In one sentence, without its full stop."""
    held_out = [row.ratio for row in learned.rows if row.role == "held out"]
    if learned.residual.accepted:
        return f"accepted: on what was held out the error is {np.mean(held_out):.3f} of that of physics alone"
    return f"NOT accepted: {learned.reason}"


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def share(value: float) -> str:
    """0 %, < 0.1 %, 0.4 %, 12 %."""
    percent = 100 * value
    if 0 < percent < 0.05:
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent == 0 or abs(percent) >= 9.95 else f"{percent:.1f} %"
