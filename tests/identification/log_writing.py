"""Files as others write them, with motions that fit together."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.log_files import LogMapping, read_mapping
from mpc_controller.identification.model_structure import ModelStructure

CART = """
[time]
column = "t"
unit = "s"
[measured]
position = { column = "x", unit = "m" }
velocity = { column = "v", unit = "m/s" }
[controls]
force = { column = "f", unit = "N" }
"""


def cart_columns(seconds: float = 4.0, rate_hz: float = 100.0) -> dict[str, Array]:
    """A sine of 1 Hz: x [m], v [m/s], f [N] over t [s]."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    w = 2 * np.pi
    return {"t": t, "x": np.sin(w * t), "v": w * np.cos(w * t), "f": -(w**2) * np.sin(w * t)}


def write_csv(path: Path, columns: dict[str, Array], delimiter: str = ",") -> Path:
    lines = [
        delimiter.join(columns),
        *(delimiter.join(map(repr, map(_plain, row))) for row in zip(*columns.values(), strict=True)),
    ]
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write(text)
    else:
        path.write_text(text, encoding="utf-8")
    return path


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def mapping_of(folder: Path, text: str, structure: ModelStructure) -> LogMapping:
    path = folder / "log.toml"
    path.write_text(text, encoding="utf-8")
    return read_mapping(path, structure)
