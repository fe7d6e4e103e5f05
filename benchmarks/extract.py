"""How fast BigNet extracts, beside what people use instead, and beside what the machine could do at best.

    python benchmarks/extract.py PHOTOS --models resnet18,alexnet,resnet50 --runs 5 -o docs/benchmarks/extract.md

Every contestant gets the same photos, the same weights and the same layer, runs in a fresh process, in turn with the
others, and reports its own seconds without start-up. Their vectors are compared, so that nobody does less work.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import machine
import torch
import torchvision
from jobs import SEED, Job, race, start
from photo_sets import DEFAULT_IMAGES, make
from table import Limit, Result, Row, markdown, text_lines

# The layer that img2vec takes, so that all three can do the same; elsewhere the network's last map.
TAPS = {"alexnet": ("classifier.5", "flat")}
LAST_MAP = ("layer4", "gap")
IMG2VEC_MODELS = ("alexnet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of photos to make the set from")
    parser.add_argument("--models", default="resnet18,alexnet,resnet50", help="resnets and alexnet, by commas")
    parser.add_argument("--weights", action="append", default=[], metavar="MODEL=FILE.pth", help="else seeded random")
    parser.add_argument("--set", choices=sorted(DEFAULT_IMAGES), default="web", dest="kind")
    parser.add_argument("--images", type=int, help="photos in the set (web 1,000, camera 60)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--precision", help="passed to BigNet: auto, fp32, bf16, int8")
    parser.add_argument("--decode", help="passed to BigNet: exact, fast")
    parser.add_argument("--openvino", action="store_true", help="its forward pass too, in bf16")
    parser.add_argument("--work", type=Path, help="keep the photo sets here from one call to the next")
    parser.add_argument("-o", "--out", type=Path, help="write the table as Markdown")
    parser.add_argument("--json", type=Path, help="write everything measured as JSON")
    return parser.parse_args()


def weights_file(model: str, given: dict[str, str], work: Path) -> Path:
    """A state dict where torchvision's own loader looks for the published one, so that img2vec finds it offline."""
    name = str(torchvision.models.get_model_weights(model).DEFAULT.url).rsplit("/", 1)[-1]
    path = work / "torch-home" / "hub" / "checkpoints" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if model in given:
        state = torch.load(given[model], weights_only=True)
    else:
        torch.manual_seed(SEED)
        state = torchvision.models.get_model(model, weights=None).state_dict()
    torch.save(state, path)
    return path


def contestants(model: str, precision: str | None) -> list[str]:
    """Who can take part."""
    ours = ["bignet"] if precision == "fp32" else ["bignet", "bignet-fp32"]
    try:
        import img2vec_pytorch  # noqa: F401 - only whether it is there
    except ImportError:
        print("img2vec left out: pip install img2vec-pytorch")
        return ["recipe", *ours]
    return ["recipe", "img2vec", *ours] if model in IMG2VEC_MODELS else ["recipe", *ours]


def race_all(job: Job, n_runs: int, work: Path, *, openvino: bool) -> tuple[list[Row], list[Limit]]:
    """Everybody in turn and the limit after them, ``n_runs`` times."""
    names = contestants(job.model, job.precision)
    rows = {name: Row(name, len(job.paths())) for name in names}
    limits = []
    expected = None
    for number in range(n_runs):
        for name in names:
            outcome = race(name, job, work)
            if expected is None:
                expected = outcome.vectors["vectors"]
            rows[name].add(outcome, expected)
            print(f"  run {number + 1}  {name:11} {rows[name].rates[-1]:7.1f} img/s", flush=True)
        limits.append(limit_of(job, work, openvino=openvino))
        print(f"  run {number + 1}  limit       {limits[-1].rate:7.1f} img/s", flush=True)
    return list(rows.values()), limits


def limit_of(job: Job, work: Path, *, openvino: bool) -> Limit:
    """The best the machine could do, in a process of its own."""
    answer = work / "limit.json"
    start("limits.py", ("--openvino",) if openvino else (), job, answer)
    return Limit(**json.loads(answer.read_text()))


def main() -> None:
    """Measure, print, write."""
    given = options()
    files = dict(item.split("=", 1) for item in given.weights)
    results = []
    where = machine.line()
    print(where)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        photos = make(given.kind, given.photos, given.images or DEFAULT_IMAGES[given.kind], given.work or work)
        for model in given.models.split(","):
            layer, pool = TAPS.get(model, LAST_MAP)
            weights = weights_file(model, files, work)
            job = Job(str(photos), model, str(weights), (layer,), (pool,), given.precision, given.decode)
            raced = race_all(job, given.runs, work, openvino=given.openvino)
            result = Result(model, f"{layer}.{pool}", given.kind, model in files, *raced)
            results.append(result)
            print("\n".join(text_lines(result)), flush=True)
    if given.json:
        given.json.write_text(json.dumps({"machine": where, "results": [asdict(r) for r in results]}, indent=1))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(markdown(results, where, given.runs))


if __name__ == "__main__":
    main()
