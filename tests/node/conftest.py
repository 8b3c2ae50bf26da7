"""The compiled models of these tests are built once a session, in a cache of their own."""

from tests.control.conftest import cache

__all__ = ["cache"]
