"""Workers for tests that are about what is done, not where."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, final

from mpc_controller.identification.parallel import Item, Result, Workers


@final
class Here(Workers):
    """In this process."""

    def results(
        self, function: Callable[[Any, Item], Result], shared: Any, items: Sequence[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        for number, item in enumerate(items):
            yield number, function(shared, item)
