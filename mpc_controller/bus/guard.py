"""The plant's door: who is let in by key (ZAP), and what each may say by role."""

from __future__ import annotations

from typing import Final, final

import zmq
from zmq.auth.thread import ThreadAuthenticator

from mpc_controller.bus.codec import decode
from mpc_controller.bus.counts import Counts
from mpc_controller.bus.frame import Kind, WireError
from mpc_controller.bus.keys import MAY_SAY, KeyFolder, may_release
from mpc_controller.bus.large_frames import header_of
from mpc_controller.bus.messages import EStop

_DOMAIN: Final = "mpc"


@final
class Guard:
    """Authenticates every connection of a context's sockets by CURVE key, and judges every frame by its sender's role.

    Both look into the folder's authorized.toml as it is now: a revoked key says nothing any more, though its connection stays,
    and what it hears until it ends. What is refused is counted as `role`.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyFolder, counts: Counts) -> None:
        self._keys, self._counts = keys, counts
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(_DOMAIN, credentials_provider=self)

    def protect(self, socket: zmq.Socket[bytes]) -> None:
        """Before it binds."""
        socket.zap_domain = _DOMAIN.encode("ascii")
        socket.curve_secretkey = self._keys.pair.secret.encode("ascii")
        socket.curve_publickey = self._keys.pair.public.encode("ascii")
        socket.curve_server = True

    def callback(self, domain: str, key: bytes) -> bool:
        """What the authenticator asks: whether a key (Z85) may connect."""
        return self._keys.holder(key.decode("ascii")) is not None

    def admits(self, frame: zmq.Frame) -> bool:
        """Whether its sender may say such a thing; what is not is counted."""
        holder = self._keys.holder(str(frame.get("User-Id")))
        try:
            kind = header_of(frame)
            if holder is None:
                raise WireError("role", f"{kind.name} from a key that is not authorized any more")
            if kind not in MAY_SAY[holder.role]:
                raise WireError("role", f"{kind.name} from '{holder.name}', whose role is {holder.role}; it may not say that")
            if kind is Kind.E_STOP and not may_release(holder.role) and _is_release(frame.bytes):
                raise WireError("role", f"'{holder.name}' would release the robot; operators alone may")
        except WireError as error:
            self._counts.received += 1
            self._counts.reject(error)
            return False
        return True

    def close(self) -> None:
        """Let nobody in any more."""
        self._authenticator.stop()


def _is_release(frame: bytes) -> bool:
    """Whether a frame of E_STOP says that the robot may go on. Raises WireError."""
    message = decode(frame)
    return isinstance(message, EStop) and message.clear
