"""Files that are there whole or not at all, and that nothing replaces unasked."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def objection(path: Path, force: bool) -> str | None:
    """Why no file should, or can, be written to `path`; None where one can. `force`: in place of one that is there."""
    if path.is_dir():
        return f"{path} is a folder; give the name of a file"
    if path.exists() and not force:
        return f"{path} exists; give another name, or --force to replace it"
    if not path.parent.is_dir():
        return f"{path}: no folder {path.parent}; create it first"
    if not os.access(path.parent, os.W_OK):
        return f"{path}: nothing can be written to the folder {path.parent}; give another"
    return None


def write_whole(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Put the file there in one step, in place of one that is there: others see all of it or nothing. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
