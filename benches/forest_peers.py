#!/usr/bin/env python3
"""The isolation forest beside scikit-learn's and isotree's on one table, in turns: seconds of CPU to fit and to score.

    cargo build --release -p nf-benches --no-default-features --bin forest
    python3 -m pip install numpy pandas scikit-learn isotree
    benches/forest_peers.py [--binary target/release/forest] [--rounds 5] [--threads 1] [--rows 100000] [--columns 30]

200 trees of 256 rows each, normal numbers. All have as many threads, ours in the fit alone: a score takes one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREES, SAMPLES = 200, 256


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, [time.perf_counter() - wall, time.process_time() - cpu]


def peer(name, path, columns, threads, repeats):
    """Times of a peer in this process."""
    import numpy

    # Each library is given the kind of number it works in.
    rows = numpy.fromfile(path, dtype="<f4").reshape(-1, columns)
    for seed in range(repeats):
        if name == "scikit-learn":
            from sklearn.ensemble import IsolationForest

            forest = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=seed, n_jobs=threads)
            score = forest.score_samples
        else:
            from isotree import IsolationForest

            rows = rows.astype("f8", order="F")
            forest = IsolationForest(
                ntrees=TREES, sample_size=SAMPLES, ndim=1, missing_action="fail", random_seed=seed, nthreads=threads
            )
            score = forest.predict
        _, fit = timed(lambda: forest.fit(rows))
        scores, scored = timed(lambda: score(rows))
        print(json.dumps({"fit": fit, "score": scored, "mean": float(abs(scores).mean())}))


def run(words):
    environment = os.environ | {"OMP_NUM_THREADS": str(words[-2])}
    words = [str(word) for word in words]
    lines = subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout.splitlines()
    # The first of a process loads and warms up.
    return [json.loads(line) for line in lines][1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parent.parent / "target/release/forest"
    parser.add_argument("--binary", type=Path, default=default)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--peer", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        name, path, *numbers = options.peer
        peer(name, path, *map(int, numbers))
        return
    import numpy

    with tempfile.NamedTemporaryFile(suffix=".f32") as file:
        numpy.random.default_rng(1).standard_normal((options.rows, options.columns), dtype="f4").tofile(file.name)
        ours = [options.binary, file.name, options.columns, TREES, SAMPLES, 0, options.threads, 2]
        oblique = [options.binary, file.name, options.columns, TREES, SAMPLES, 1, options.threads, 2]
        python = lambda name: [sys.executable, __file__, "--peer", name, file.name, options.columns, options.threads, 2]
        peers = {"nf-core": ours, "nf-core, oblique": oblique, "scikit-learn": python("scikit-learn"), "isotree": python("isotree")}
        times = {name: [] for name in peers}
        for _ in range(options.rounds):
            for name, words in peers.items():
                times[name] += run(words)
    print("| forest | fit, CPU ms | fit, ms | score, CPU ms | score, ms | rows a CPU second | fit and score, CPU ms |")
    print("|---|---|---|---|---|---|---|")
    for name, all_times in times.items():
        median = lambda what, kind: statistics.median(t[what][kind] for t in all_times)
        both = statistics.median(t["fit"][1] + t["score"][1] for t in all_times)
        figures = [median("fit", 1) * 1e3, median("fit", 0) * 1e3, median("score", 1) * 1e3, median("score", 0) * 1e3]
        figures += [options.rows / median("score", 1), both * 1e3]
        print(f"| {name} | " + " | ".join(f"{figure:,.0f}" for figure in figures) + " |")


if __name__ == "__main__":
    main()
