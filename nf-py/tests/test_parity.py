"""Scores from Python are those from Rust and C, to the last bit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import neural_filter as nf

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"


@pytest.mark.parametrize("language", ["NF_SCORES", "NF_SCORES_OF_C"])
def test_scores_have_the_bits_that_rust_and_c_give(language: str, detector: nf.Detector, attacks: nf.Sessions) -> None:
    program = os.environ.get(language)
    if program is None:
        pytest.skip(f"{language} does not name the program scores of Rust or C, as tests/run does")
    captures = [] if language == "NF_SCORES" else [str(DATA / "benign.pcap.zst"), str(DATA / "attacks.pcap.zst")]
    lines = subprocess.run([program, *captures], check=True, capture_output=True, text=True).stdout.split()
    theirs = np.array([int(line, 16) for line in lines], dtype=np.uint32)
    python = detector.judge(attacks).score.view(np.uint32)
    assert len(theirs) == len(attacks) and (theirs == python).all()


def test_a_part_of_a_batch_has_the_same_scores(detector: nf.Detector, attacks: nf.Sessions) -> None:
    rows = (nf.FlowFeatures() + nf.ContextFeatures()).transform(attacks[:200])
    for model in (nf.IsolationForest(trees=20), nf.Autoencoder(epochs=1)):
        scores = model.fit(rows).score(rows)
        for size in (1, 7, 64):
            parts = [model.score(rows[i : i + size]) for i in range(0, len(rows), size)]
            assert np.concatenate(parts).tobytes() == scores.tobytes()
