"""What the pages tell readers to type."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import ROOT, pages

DATA = ROOT / "examples" / "data"


@pytest.mark.parametrize("name", pages())
def test_the_programs_of_pages_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for day, capture in [("monday", "lab/train"), ("wednesday", "attacks"), ("thursday", "lab/val")]:
        for ending in ("pcap", "pcap.zst"):
            (tmp_path / f"{day}.{ending}").symlink_to(DATA / f"{capture}.pcap.zst")
    monkeypatch.chdir(tmp_path)
    exec(compile(pages()[name], name, "exec"), {"__name__": name})
