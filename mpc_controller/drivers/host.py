"""Which text can be the name of a host."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 253
# The parts of a name, or of an address with dots or colons; what else there is makes a socket raise more than OSError.
_HOST: Final = re.compile(r"[0-9A-Za-z_:%-]{1,63}(\.[0-9A-Za-z_:%-]{1,63})*")


def is_host(text: str) -> bool:
    """Whether it may be looked up."""
    return len(text) <= _LONGEST and _HOST.fullmatch(text) is not None
