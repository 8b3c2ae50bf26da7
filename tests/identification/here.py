"""Workers for tests that are about what is done, not where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

from mpc_controller.identification.parallel import Workers


@final
class Here(Workers):
    """In this process."""

    def map(
        self,
        function: Callable[[Any, Any], Any],
        shared: Any,
        items: Sequence[Any],
        progress: Callable[[str], None] = lambda line: None,
    ) -> list[Any]:
        return [function(shared, item) for item in items]
