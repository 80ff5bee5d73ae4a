"""The Python that readers see: the notebooks' and the pages' code. Writes it as modules into a folder, for mypy to read."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What the blocks of the guide take for granted.
GUIDE = """\
import numpy
import pandas
import polars
import pyarrow

frame, time_ns, link_type, now_ns = bytes(60), 1, 1, 2
"""


def pages() -> dict[str, str]:
    """The programs of the pages, by name: their blocks behind each other."""
    blocks = {
        "readme": _blocks(ROOT / "README.md"),
        "package": _blocks(ROOT / "nf-py" / "README.md"),
        "guide": GUIDE + _blocks(ROOT / "docs" / "guide" / "python.md"),
    }
    return {f"page_{name}": code for name, code in blocks.items()}


def _blocks(path: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE))


def notebooks() -> dict[str, str]:
    """The programs of the notebooks, by name."""
    found = {}
    for path in sorted((ROOT / "examples" / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        found["notebook_" + path.stem.replace("-", "_")] = "\n\n".join(code) + "\n"
    return found


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, code in {**pages(), **notebooks()}.items():
        (folder / f"{name}.py").write_text(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
