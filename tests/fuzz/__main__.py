"""`python -m tests.fuzz TARGET SECONDS [FOLDER]`, or `--list`: one reader against what atheris invents, for a bounded time.

It starts from valid examples and follows the branches of the readers, ours and those beneath them. FOLDER (build/fuzz) keeps
what was interesting for the next time, and inputs that broke a reader as crash-…; `python -m tests.fuzz TARGET crash-…` reads
one again. Exit code 0: nothing broke.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

_INSTRUMENTED = ("mpc_controller", "launch", "tomllib", "mcap", "zipfile", "json")
_LARGEST = 2**16  # bytes
_SLOWEST_S = 20  # of one input
_MOST_MEMORY_MB = 2048


def main(arguments: list[str]) -> None:
    """With a number of seconds it does not return: atheris ends the process."""
    if arguments == ["--list"]:
        from tests.fuzz.targets import TARGETS

        print(*TARGETS)
        return
    import atheris

    with atheris.instrument_imports(include=list(_INSTRUMENTED)):
        from tests.fuzz.mutation import WORDS
        from tests.fuzz.targets import TARGETS
    name, what = arguments[:2]
    target = TARGETS[name]
    if not what.isdigit():
        print("read" if target.try_out(Path(what).read_bytes()) else "refused")
        return
    kept = Path(arguments[2] if len(arguments) > 2 else "build/fuzz") / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        examples, words = Path(folder, "examples"), Path(folder, "words")
        examples.mkdir()
        for data in target.seeds():
            (examples / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS if len(word) < 64))
        options = [f"-max_total_time={what}", f"-max_len={_LARGEST}", f"-timeout={_SLOWEST_S}", "-print_final_stats=1"]
        options += [
            f"-rss_limit_mb={_MOST_MEMORY_MB}",
            f"-artifact_prefix={kept}/",
            *([f"-dict={words}"] if target.is_text else []),
        ]
        print(f"{name}: {what} s from {len(list(examples.iterdir()))} examples")
        atheris.Setup([sys.argv[0], *options, str(kept), str(examples)], target.try_out)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main(sys.argv[1:])
