#!/usr/bin/env python3
"""What scikit-learn's isolation forest of default size detects: FOLDER SEEDS SET..

FOLDER holds the tables of ADBench, each with X and y; forests score the rows that they are fitted on. A line is a table's name,
mean and standard deviation of the AUROC over the seeds, and their number.
"""

import sys

import numpy
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

folder, seeds, *names = sys.argv[1:]
for name in names:
    table = numpy.load(f"{folder}/{name}.npz")
    rows, anomalies = table["X"], table["y"]
    forests = [IsolationForest(max_samples=256, random_state=seed).fit(rows) for seed in range(int(seeds))]
    found = [roc_auc_score(anomalies, -forest.score_samples(rows)) for forest in forests]
    print(name, f"{numpy.mean(found):.4f}", f"{numpy.std(found, ddof=1):.4f}", len(found), sep="\t", flush=True)
