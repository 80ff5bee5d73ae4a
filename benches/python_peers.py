#!/usr/bin/env python3
"""How fast the Python package is, beside Rust and beside other libraries' isolation forests.

    pip install ./nf-py scikit-learn pyod pandas isotree
    cargo build --release -p nf-py --example python_peers
    python3 benches/python_peers.py [--rounds 5] [CAPTURE]

Times are the process's CPU time of all threads where one thread is asked for, medians of the rounds; ratios are of medians. The program
`python_peers` does in Rust what is timed in Python. A capture is the attacks of the examples unless given. A library that is not installed is left out.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def median(rounds, work):
    """The median CPU time of a work, in seconds, after one that does not count."""
    work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def beside_rust(capture, rounds, program):
    import neural_filter as nf

    benign = nf.read_sessions(ROOT / "examples/data/benign.pcap.zst")
    detector = nf.Detector(random_state=7).fit(benign, progress=False)
    sessions = nf.read_sessions(capture)
    own = {
        "read_sessions": median(rounds, lambda: nf.read_sessions(capture)),
        "judge": median(rounds, lambda: detector.judge(sessions)),
    }
    rust = json.loads(subprocess.run([program, capture, str(rounds)], check=True, capture_output=True, text=True).stdout)
    print(f"{len(sessions)} sessions")
    for name, seconds in own.items():
        print(f"{name:14} {seconds:8.3f} s, Rust {rust[name]:8.3f} s, ratio {seconds / rust[name]:.2f}")


def forests(rounds):
    import numpy as np
    import neural_filter as nf

    spec = nf.FlowFeatures() + nf.ContextFeatures()
    train = np.array(spec.transform(nf.read_sessions(ROOT / "examples/data/benign.pcap.zst")))
    test = np.array(spec.transform(nf.read_sessions(ROOT / "examples/data/attacks.pcap.zst")))
    rest = {"random_state": 0}
    trees, samples = 200, 2048

    def ours():
        nf.IsolationForest(trees=trees, samples=samples, threads=1, **rest).fit(train, progress=False).score(test)

    peers = {"neural_filter": ours}
    try:
        from sklearn.ensemble import IsolationForest

        peers["scikit-learn"] = lambda: IsolationForest(
            n_estimators=trees, max_samples=samples, n_jobs=1, **rest
        ).fit(train).score_samples(test)
    except ImportError:
        print("scikit-learn is not installed: left out")
    try:
        from pyod.models.iforest import IForest

        peers["PyOD"] = lambda: IForest(n_estimators=trees, max_samples=samples, n_jobs=1, **rest).fit(train).decision_function(test)
    except ImportError:
        print("PyOD is not installed: left out")
    try:
        from isotree import IsolationForest as Isotree

        peers["isotree"] = lambda: Isotree(
            ntrees=trees, sample_size=samples, ndim=1, nthreads=1, random_seed=1
        ).fit(train).predict(test)
    except ImportError:
        print("isotree is not installed: left out")
    print(f"isolation forest, {trees} trees of {samples} rows: fit {train.shape}, score {test.shape}, one thread")
    times = {name: median(rounds, work) for name, work in peers.items()}
    for name, seconds in times.items():
        print(f"{name:14} {seconds:8.3f} s, ratio of ours to it {times['neural_filter'] / seconds:.2f}")


def importing(rounds):
    code = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"
    for name in ("numpy", "neural_filter"):
        run = [sys.executable, "-c", code.format(name)]
        times = [float(subprocess.run(run, check=True, capture_output=True, text=True).stdout) for _ in range(rounds + 1)]
        print(f"import {name}: {statistics.median(times[1:]):.3f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", nargs="?", default=str(ROOT / "examples/data/attacks.pcap.zst"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=str(ROOT / "target/release/examples/python_peers"))
    options = parser.parse_args()
    importing(options.rounds)
    forests(options.rounds)
    if pathlib.Path(options.program).exists():
        beside_rust(options.capture, options.rounds, options.program)
    else:
        print(f"{options.program} is not built: reading and judging are left out")


if __name__ == "__main__":
    main()
