"""Writes the code of the examples' notebooks as modules into a folder, for mypy to read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parents[2] / "examples" / "notebooks"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        name = "notebook_" + path.stem.replace("-", "_")
        (folder / f"{name}.py").write_text("\n\n".join(code) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
