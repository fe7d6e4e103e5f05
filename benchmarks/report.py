"""What a report costs: time by stage and peak memory at 2k, 50k and 1M rows, beside pytorch-metric-learning.

    python benchmarks/report.py
    python benchmarks/report.py --sizes 2000x512x10 50000x512x100 1000000x512x1000 -o report.md

The vectors are generated in clusters and imported into a store; every run is a process of its own, which does a small
one first. Memory is what it holds at its peak beyond what it holds then, the vectors among it, also as a multiple of
them.
AccuracyCalculator (``pip install pytorch-metric-learning``) gets the same vectors and the same labels and computes
MAP@R, R-precision and P@1 with k="max_bin_count"; above --pml-rows it is left out: it holds an N x R table in
float32 and int64, and takes hours.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np

HEADLINE = "map@r"  # what both compute; ours on a sample of the gallery above 50,000 rows
NOISE = 1.6
BLOCK = 10_000
STAGES = 6


@dataclass(frozen=True)
class Size:
    """Rows, dimensions and classes of one run."""

    rows: int
    dims: int
    classes: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """``50000x512x100``."""
        return cls(*map(int, text.split("x")))

    @property
    def matrix_bytes(self) -> int:
        """Of the vectors in float32."""
        return 4 * self.rows * self.dims

    def __str__(self) -> str:
        return f"{self.rows:,} x {self.dims}, {self.classes:,} classes"


SMALL = Size(200, 32, 5)


def generate(size: Size, folder: Path, seed: int = 0) -> None:
    """Non-negative vectors around one centre a class, and the class of each, as files to import."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(size.classes, size.dims)).astype(np.float32)
    codes = rng.integers(size.classes, size=size.rows)
    out = np.lib.format.open_memmap(folder / "v.npy", "w+", np.float32, (size.rows, size.dims))
    for start in range(0, size.rows, BLOCK):
        own = centres[codes[start : start + BLOCK]]
        noise = rng.standard_normal(own.shape, dtype=np.float32)
        out[start : start + BLOCK] = np.maximum(0, own + NOISE * noise)
    out.flush()
    np.save(folder / "codes.npy", codes)
    lines = [f"{row},class {code:04d}" for row, code in enumerate(codes.tolist())]
    (folder / "labels.csv").write_text("\n".join(["id,label", *lines]) + "\n")


def make_store(size: Size, folder: Path) -> None:
    """The generated vectors as a store."""
    import bignet

    generate(size, folder)
    bignet.import_vectors(folder / "v.npy", folder / "store", name="generated")


def run_bignet(size: Size, folder: Path) -> dict[str, Any]:
    """The whole report, from the store to the files."""
    import bignet

    make_store(SMALL, _made(folder / "small"))
    bignet.report(folder / "small" / "store", folder / "small" / "report", labels=folder / "small" / "labels.csv")
    before = _held_bytes()
    start = time.perf_counter()
    evaluation, files = bignet.report(folder / "store", folder / "report", labels=folder / "labels.csv")
    seconds = time.perf_counter() - start
    metric = evaluation.metric(HEADLINE)
    return {
        "seconds": seconds,
        "stages": {**evaluation.seconds, "reading and writing": seconds - sum(evaluation.seconds.values())},
        "extra_bytes": _peak_bytes() - before,
        "value": metric.value,
        "estimator": metric.estimator,
        "page_bytes": files.html.stat().st_size,
        "n_metrics": len(json.loads(files.json.read_text())["metrics"]),
    }


def run_pml(size: Size, folder: Path) -> dict[str, Any]:
    """AccuracyCalculator on the same vectors, of unit length as cosine similarity has it."""
    import torch
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    names = ("mean_average_precision_at_r", "r_precision", "precision_at_1")
    calculator = AccuracyCalculator(
        include=names,
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=CustomKNN(CosineSimilarity(), BLOCK // 10),
    )
    rng = np.random.default_rng(0)
    small = torch.from_numpy(rng.random((SMALL.rows, SMALL.dims), dtype=np.float32))
    calculator.get_accuracy(small, torch.arange(SMALL.rows) % SMALL.classes)
    before = _held_bytes()
    start = time.perf_counter()
    vectors = torch.from_numpy(np.load(folder / "v.npy"))
    codes = torch.from_numpy(np.load(folder / "codes.npy"))
    found = calculator.get_accuracy(vectors, codes)
    return {
        "seconds": time.perf_counter() - start,
        "extra_bytes": _peak_bytes() - before,
        "value": float(found[names[0]]),
        "n_metrics": len(names),
    }


JOBS = {"store": make_store, "bignet": run_bignet, "pml": run_pml}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _held_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_process(job: str, size: Size, folder: Path) -> dict[str, Any]:
    """One job in a fresh process -> what it printed last."""
    words = [sys.executable, __file__, "--job", job, "--folder", str(folder), "--sizes", _text(size)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return {"failed": f"exit code {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _text(size: Size) -> str:
    return f"{size.rows}x{size.dims}x{size.classes}"


def measure(size: Size, folder: Path, pml_rows: int) -> list[str]:
    """Lines of the table for one size."""
    in_process("store", size, folder)
    ours = in_process("bignet", size, folder)
    theirs = in_process("pml", size, folder) if size.rows <= pml_rows else {"failed": "not tried, see above"}
    return [_line("BigNet", size, ours), _line("AccuracyCalculator", size, theirs), "", _stages(size, ours)]


def _line(name: str, size: Size, found: dict[str, Any]) -> str:
    if "failed" in found:
        return f"| {size} | {name} | {found['failed']} | | | | |"
    memory = found["extra_bytes"] / 1e6
    times = found["extra_bytes"] / size.matrix_bytes
    return (
        f"| {size} | {name} | {found['seconds']:,.1f} s | {memory:,.0f} MB | {times:.2f} x | {found['n_metrics']} | "
        f"{found['value']:.6f}{'' if found.get('estimator', 'exact') == 'exact' else ' (sampled)'} |"
    )


def _stages(size: Size, found: dict[str, Any]) -> str:
    if "failed" in found:
        return f"{size}: failed"
    slowest = sorted(found["stages"].items(), key=lambda item: -item[1])[:STAGES]
    parts = ", ".join(f"{name} {seconds:,.1f} s" for name, seconds in slowest)
    return f"{size}: {parts}; page {found['page_bytes'] / 1e6:.1f} MB; {HEADLINE} is {found['estimator']}"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = ["2000x512x10", "50000x512x100", "1000000x512x1000"]
    parser.add_argument("--sizes", nargs="+", default=sizes, metavar="ROWSxDIMSxCLASSES")
    parser.add_argument("--pml-rows", type=int, default=50_000, help="AccuracyCalculator gets no more rows than this")
    parser.add_argument("-o", "--output", type=Path, help="write the table here too, as Markdown")
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="work here and keep it; a temporary folder else")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = options()
    sizes = [Size.parse(text) for text in given.sizes]
    if given.job:
        print(json.dumps(JOBS[given.job](sizes[0], given.folder) or {}))
        return
    table, notes = _head(), []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            lines = measure(size, Path(folder), given.pml_rows)
        for line in lines:
            print(line, flush=True)
        table += lines[:2]
        notes.append(f"- {lines[3]}")
    text = "\n".join([*table, "", "Most time goes into:", "", *notes]) + "\n"
    print(f"\n{text}")
    if given.output:
        given.output.write_text(text)


def _head() -> list[str]:
    return [
        "## A whole report: time and memory",
        "",
        machine.line(),
        "",
        "| vectors | | time | memory | of the matrix | metrics | MAP@R |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]


if __name__ == "__main__":
    main()
