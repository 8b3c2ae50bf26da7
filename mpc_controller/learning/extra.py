"""The packages that training needs and nothing else does."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator

from mpc_controller.learning.options import LearningError

PACKAGES = ("jax", "equinox", "optax")


def require() -> None:
    """LearningError unless all of them can be imported."""
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise LearningError(f"learning needs {package} ({error}); pip install 'mpc_controller[learn]'") from None


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """JAX in double precision, in all threads: compiled functions are called from some of its own."""
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)
