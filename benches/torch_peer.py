#!/usr/bin/env python3
"""Training steps and judging of the transformer beside PyTorch on the same processor, in turns: CPU time a step.

    cargo build --release -p nf-benches --bin reference_configuration
    python3 -m pip install torch numpy
    benches/torch_peer.py [--binary target/release/reference_configuration] [--rounds 3] [--threads 1] [--json]

Four layers of width 128 with 8 heads and 512 hidden units, normalisation in front, GELU, no dropout, AdamW. PyTorch runs its
fused scaled_dot_product_attention; its window is that of blocks: each block of queries sees its own and both neighbours.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

WIDTH, HEADS, HIDDEN, LAYERS, COLUMNS = 128, 8, 512, 4, 8
# Attention, packets, sessions; a window of blocks of 64 has 192 keys, one of 96 packets each way 193.
CASES = [("full", 2048, 2), ("full", 512, 8), ("full", 128, 16), ("window", 2048, 2)]
REACH, BLOCK = 96, 64
STEPS = 3


def peer(case, threads, score):
    """Seconds of CPU a step, and megabytes at most, of PyTorch in this process."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    attention, packets, sessions = case

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.behind = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.joint, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.mlp = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))

        def forward(self, x, mask):
            b, t, _ = x.shape
            parts = self.joint(self.before(x)).view(b, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
            q, k, v = parts[0], parts[1], parts[2]
            if attention == "full":
                mixed = F.scaled_dot_product_attention(q, k, v)
            else:
                size = WIDTH // HEADS

                def near(x):
                    x = F.pad(x, (0, 0, BLOCK, BLOCK)).unfold(2, 3 * BLOCK, BLOCK)
                    return x.transpose(-1, -2).reshape(-1, 1, 3 * BLOCK, size)

                q = q.reshape(-1, 1, BLOCK, size)
                m = mask.repeat(b * HEADS, 1, 1, 1)
                mixed = F.scaled_dot_product_attention(q, near(k), near(v), attn_mask=m)
                mixed = mixed.view(b, HEADS, t, size)
            x = x + self.out(mixed.transpose(1, 2).reshape(b, t, WIDTH))
            return x + self.mlp(self.behind(x))

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rebuild = nn.Linear(COLUMNS, WIDTH), nn.Linear(WIDTH, COLUMNS)
            self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
            self.norm = nn.LayerNorm(WIDTH)

        def forward(self, x, places, mask):
            y = self.embed(x) + places
            for layer in self.layers:
                y = layer(y, mask)
            return self.rebuild(self.norm(y))

    torch.manual_seed(1)
    model = Encoder()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, places = torch.randn(sessions, packets, COLUMNS), torch.randn(packets, WIDTH)
    mask = None
    if attention == "window":
        blocks = packets // BLOCK
        mask = torch.ones(blocks, 1, 1, 3 * BLOCK, dtype=torch.bool)
        mask[0, ..., :BLOCK] = False
        mask[-1, ..., -BLOCK:] = False
    seconds = []
    for _ in range(STEPS + 1):
        start = time.process_time()
        if score:
            with torch.no_grad():
                F.mse_loss(model(x, places, mask), x).item()
        else:
            optimiser.zero_grad()
            loss = F.mse_loss(model(x, places, mask), x)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(binary, case, threads, score):
    attention, packets, sessions = case
    command = [binary, "--json", "--attention", attention, "--reach", REACH, "--packets", packets, "--sessions", sessions]
    command += ["--at-once", max(sessions // threads, 1), "--threads", threads, "--layers", LAYERS, "--steps", STEPS + 1]
    command += ["--score"] if score else []
    lines = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout.splitlines()
    steps = [json.loads(line) for line in lines]
    return statistics.median(step["cpu_seconds"] for step in steps[1:]), steps[-1]["peak_rss_mb"]


def theirs(case, threads, score):
    """In a process of its own, so that its memory is."""
    words = [sys.executable, __file__, "--peer", json.dumps([case, threads, score])]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parent.parent / "target/release/reference_configuration"
    parser.add_argument("--binary", type=Path, default=default)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        case, threads, score = json.loads(options.peer)
        print(json.dumps(peer(tuple(case), threads, score)))
        return
    if not options.json:
        print("| | attention | sessions x packets | ours, CPU ms | PyTorch, CPU ms | ratio | ours, MB | PyTorch, MB |")
        print("|---|---|---|---|---|---|---|---|")
    for score in (False, True):
        for case in CASES:
            pairs = [
                (ours(options.binary, case, options.threads, score), theirs(case, options.threads, score))
                for _ in range(options.rounds)
            ]
            a, b = (statistics.median(pair[i][0] for pair in pairs) * 1000 for i in (0, 1))
            ratio = statistics.median(pair[0][0] / pair[1][0] for pair in pairs)
            memory = [statistics.median(pair[i][1] for pair in pairs) for i in (0, 1)]
            what = "judge" if score else "train"
            row = dict(what=what, attention=case[0], packets=case[1], sessions=case[2], ours_ms=a, torch_ms=b, ratio=ratio)
            if options.json:
                print(json.dumps(row | dict(ours_mb=memory[0], torch_mb=memory[1])), flush=True)
            else:
                shape = f"{case[2]} x {case[1]}"
                figures = f"{a:.0f} | {b:.0f} | {ratio:.2f} | {memory[0]:.0f} | {memory[1]:.0f}"
                print(f"| {what} | {case[0]} | {shape} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
