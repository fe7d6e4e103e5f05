"""A whole sweep, scored and priced, beside one plain extraction of each of its models; the README's figure.

The extractions take the sweep's layers, and of its pools those that give one number a channel and that every layer of
the model has. Both are timed from the command line, start-up and all, in turn.

python benchmarks/sweep_whole.py IMAGES [--models M,M] [--weights MODEL=WEIGHTS ...] [--limit N] [--runs N] [--out FILE]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

from bignet.extractor.several import store_name
from bignet.store.snapshot import Snapshot

MODELS = "squeezenet1_1,efficientnet_lite0,alexnet,resnet18"
POOLS = ("gap", "max", "gem:3", "rmac:3")


def run(*words: str) -> float:
    """A command of BigNet's -> seconds."""
    start = time.perf_counter()
    program = str(Path(sys.executable).with_name("bignet"))
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def sweep(given: argparse.Namespace, folder: Path) -> float:
    """The sweep -> seconds."""
    weights = itertools.chain.from_iterable(("-w", each) for each in given.weights)
    return run("sweep", given.images, "-o", str(folder), "-m", given.models, "--limit", str(given.limit), *weights)


def extractions(given: argparse.Namespace, made: Path, folder: Path) -> dict[str, float]:
    """What a sweep has made -> seconds of a plain extraction, by model."""
    weights = dict(each.split("=", 1) for each in given.weights)
    found: dict[str, float] = {}
    for model in given.models.split(","):
        with Snapshot.open(made / store_name(model)) as store:
            taps = [(spec.layer, spec.pool) for spec in store.embeddings]
        layers = dict.fromkeys(layer for layer, _ in taps)
        common = [pool for pool in POOLS if all((layer, pool) in taps for layer in layers)]
        options = [*(("-l", layer) for layer in layers), *(("-p", pool) for pool in common), ("-m", model)]
        options += [("-w", weights[model])] if model in weights else []
        words = itertools.chain.from_iterable((*options, ("--limit", str(given.limit))))
        found[model] = run("extract", given.images, str(folder / f"{len(found)}.bignet"), *words)
    return found


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images")
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--weights", nargs="*", default=[], metavar="MODEL=WEIGHTS")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the table here too, as Markdown")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = asked()
    lines = [machine.line(), "", "| run | sweep | plain extractions | | ratio |", "| --- | ---: | ---: | --- | ---: |"]
    ratios = []
    for number in range(given.runs):
        with tempfile.TemporaryDirectory() as place:
            whole = sweep(given, Path(place) / "sweep")
            plain = extractions(given, Path(place) / "sweep", Path(place))
        each = ", ".join(f"{model} {seconds:.1f} s" for model, seconds in plain.items())
        ratios.append(whole / sum(plain.values()))
        lines.append(f"| {number + 1} | {whole:.1f} s | {sum(plain.values()):.1f} s | {each} | {ratios[-1]:.2f} |")
        print(lines[-1], flush=True)
    text = "\n".join([*lines, "", f"median ratio {statistics.median(ratios):.2f}"]) + "\n"
    print(f"\n{text}")
    if given.out:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
