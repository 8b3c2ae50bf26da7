"""JAX is for those who learn: what runs in the loop does without."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import mpc_controller.learning


def test_nothing_that_the_loop_needs_imports_jax() -> None:
    modules = (
        "mpc_controller.control.residual_adaptation, mpc_controller.node.controller_node, mpc_controller.learning.validation"
    )
    learn = "mpc_controller.learning.learn, mpc_controller.learning.families"
    code = f"import sys, {modules}, {learn}; print([m for m in ('jax', 'equinox', 'optax') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_only_files_that_say_so_import_jax() -> None:
    folder = Path(next(iter(mpc_controller.learning.__path__)))
    for path in folder.parent.rglob("*.py"):
        names = [
            alias.name if isinstance(node, ast.Import) else node.module or ""
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        ]
        heavy = {name.partition(".")[0] for name in names} & {"jax", "equinox", "optax"}
        assert not heavy or path.name.startswith("jax_"), f"{path} imports {heavy}"
