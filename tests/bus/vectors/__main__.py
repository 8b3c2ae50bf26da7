"""Write all files of test vectors anew."""

from __future__ import annotations

from mpc_controller.whole_file import write_whole
from tests.bus.vectors import FILES, FOLDER
from tests.bus.vectors.plain import document

for name, cases in FILES.items():
    path = FOLDER / f"{name}.json"
    write_whole(path, document(name, cases()).encode())
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
