"""The process that learns beside a running controller: receive, estimate, tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from mpc_controller.bus.link import Link
from mpc_controller.identification.fit import Estimated
from mpc_controller.node.adaptation import Adaptation

_WAIT_S = 0.1  # how soon `stop()` is looked at when nothing comes


@final
@dataclass(frozen=True)
class AdaptationSummary:
    """observations: how many were used. refused: how many were not, and why. learned_s: time of the plant in which something
    was learned. updates: how many were sent; told: what the controller has now. estimates: of what is learned."""

    observations: int
    refused: dict[str, int]
    learned_s: float
    updates: int
    told: dict[str, float]
    estimates: tuple[Estimated, ...]


def run_adaptation(
    adaptation: Adaptation, link: Link, show: Callable[[str, bool], None], stop: Callable[[], bool]
) -> AdaptationSummary:
    """Learn from every observation until `stop()`, and send what the controller should know.

    The link must give every observation, not the newest only. show(line, is_news): how it stands, once a period; news when an
    update was sent. Raises NodeError for a plant of another robot or model.
    """
    while not stop():
        for message in link.receive(_WAIT_S):
            adaptation.accept(message)
            if adaptation.is_due:
                update = adaptation.take_update()
                if update is not None:
                    link.send(update)
                show(adaptation.line(), update is not None)
    identifier = adaptation.identifier
    return AdaptationSummary(
        observations=adaptation.observations,
        refused=dict(adaptation.refused),
        learned_s=identifier.learned_s,
        updates=adaptation.updates,
        told=adaptation.told,
        estimates=identifier.estimates(),
    )
