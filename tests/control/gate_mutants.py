"""Mutation testing of the safety gate: `python -m tests.control.gate_mutants`, part of `make test-gate`.

mutmut changes one operator, number, word or argument of the module at a time and runs its tests on it. A change that no test
notices survives. At least 95 % must not; docs/safety.md says of each that does why it changes nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_MODULE = "mpc_controller/control/safety_gate.py"
_TESTS = ("tests/control/test_safety_gate.py", "tests/control/test_safety_gate_properties.py")
_OTHERS = ("mpc_controller/__init__.py", "mpc_controller/arrays.py", "mpc_controller/control/__init__.py")
_LEAST_KILLED = 0.95
_CASES = "20"  # of each property, for each mutant
_LONGEST_S = 900.0
_CONFIGURATION = f"""
[tool.mutmut]
source_paths = ["mpc_controller"]
only_mutate = ["{_MODULE}"]
pytest_add_cli_args_test_selection = {json.dumps(_TESTS)}
pytest_add_cli_args = ["-x", "-q", "-p", "no:cacheprovider"]
"""


def main() -> int:
    """The exit code: 0 when enough mutants were killed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in (_MODULE, *_TESTS, *_OTHERS):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_ROOT / path, folder / path)
        for package in ("tests", "tests/control"):
            (folder / package / "__init__.py").touch()
        (folder / "pyproject.toml").write_text(_CONFIGURATION)
        _mutmut(folder, "run", "--max-children", str(os.cpu_count() or 1))
        _mutmut(folder, "export-cicd-stats")
        statistics = json.loads((folder / "mutants" / "mutmut-cicd-stats.json").read_text())
        share = statistics["killed"] / statistics["total"]
        for line in _mutmut(folder, "results").splitlines():
            print(line.strip())
            print(_changed(_mutmut(folder, "show", line.split(":")[0].strip())))
    print(
        f"{statistics['killed']} of {statistics['total']} mutants killed: {share:.1%}; at least {_LEAST_KILLED:.0%} are needed"
    )
    return 0 if share >= _LEAST_KILLED else 1


def _mutmut(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GATE_CASES": _CASES}
    command = [sys.executable, "-m", "mutmut", *arguments]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_LONGEST_S, check=False
    )
    if result.returncode != 0:
        raise SystemExit(f"mutmut {arguments[0]} failed:\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}")
    return result.stdout


def _changed(difference: str) -> str:
    return "\n".join(line for line in difference.splitlines() if line.startswith(("- ", "+ ")))


if __name__ == "__main__":
    sys.exit(main())
