"""Captures of the repository, and what is fitted once for all tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neural_filter as nf

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"


def iso(nanoseconds: int) -> str:
    """A time as it is shown: ISO 8601, UTC."""
    return str(np.datetime_as_string(np.datetime64(nanoseconds, "ns"), timezone="UTC"))


@pytest.fixture(scope="session")
def capture() -> Path:
    return DATA / "benign.pcap.zst"


@pytest.fixture(scope="session")
def benign(capture: Path) -> nf.Sessions:
    return nf.read_sessions(capture)


@pytest.fixture(scope="session")
def attacks() -> nf.Sessions:
    return nf.read_sessions(DATA / "attacks.pcap.zst")


@pytest.fixture(scope="session")
def detector(benign: nf.Sessions) -> nf.Detector:
    return nf.Detector(random_state=7).fit(benign)
