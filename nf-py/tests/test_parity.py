"""Scores from Python are those from Rust, to the last bit."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest

import neural_filter as nf


def test_scores_have_the_bits_that_rust_gives(detector: nf.Detector, attacks: nf.Sessions) -> None:
    program = os.environ.get("NF_SCORES")
    if program is None:
        pytest.skip("NF_SCORES does not name the example program scores, as tests/run does")
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    rust = np.array([int(line, 16) for line in lines], dtype=np.uint32)
    python = detector.judge(attacks).score.view(np.uint32)
    assert len(rust) == len(attacks) and (rust == python).all()


def test_a_part_of_a_batch_has_the_same_scores(detector: nf.Detector, attacks: nf.Sessions) -> None:
    rows = (nf.FlowFeatures() + nf.ContextFeatures()).transform(attacks[:200])
    for model in (nf.IsolationForest(trees=20), nf.Autoencoder(epochs=1)):
        scores = model.fit(rows).score(rows)
        for size in (1, 7, 64):
            parts = [model.score(rows[i : i + size]) for i in range(0, len(rows), size)]
            assert np.concatenate(parts).tobytes() == scores.tobytes()
