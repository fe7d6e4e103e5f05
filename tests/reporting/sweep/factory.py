"""Sweeps for the page's tests: made up, but of one piece, and different at every seed."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.result import ClassDistance, Excluded, Metric
from bignet.evaluate.sweep.front import on_front
from bignet.evaluate.sweep.recommend import recommend
from bignet.evaluate.sweep.result import Choice, Cost, Dropped, Scored, Strip, Sweep, Why
from bignet.reporting.sweep.source import SweepSource
from tests.reporting.factory import paint

if TYPE_CHECKING:
    from pathlib import Path

MODELS = ("resnet50", "resnet34", "resnet18", "squeezenet1_1", "alexnet", "efficientnet_b0", "vgg16", "densenet121",
          "mobilenet_v3_large", "convnext_tiny", "regnet_y_400mf", "swin_t")  # fmt: skip
POOLS = ("gap", "max", "gem:3", "avg:4", "rmac:3")
ALTERED = {
    "rotate": (10, 45, 90, 180),
    "scale": (0.5, 1.5),
    "blur": (0.01, 0.03),
    "jpeg": (20,),
    "flip": (1,),
}


@dataclass(frozen=True)
class SweepWorld:
    """A sweep and where it comes from."""

    sweep: Sweep
    source: SweepSource


def make_sweep(
    folder: Path | None,
    n_choices: int = 12,
    *,
    labels=tuple("abcdef" * 10),
    names=None,
    models=MODELS,
    untrained=("alexnet",),
    altered=True,
    strips_of=4,
    seed=0,
    **changed,
) -> SweepWorld:
    """Choices taken in turn from models, layers and pools, with pictures in ``folder`` (none if None)."""
    rng = np.random.default_rng(seed)
    names = names or tuple(f"{label or 'new'}/{i:04d}.jpg".encode() for i, label in enumerate(labels))
    if folder is not None:
        paint(folder, names, (80, 60))
    choices = _choices(n_choices, models, untrained)
    scored = _scored(choices, labels, altered, rng)
    sweep = Sweep(
        **{
            "ids": np.arange(len(labels), dtype=np.int64) * 3 + 500,
            "paths": tuple(names),
            "labels": tuple(labels),
            "ranking": _ranking(labels),
            "scored": scored,
            "dropped": _dropped(choices),
            "recommendations": recommend(scored),
            "cka": _cka(choices, rng),
            "class_distance": _distance(labels, rng),
            "strips": _strips(scored, labels, rng, strips_of),
            "cost_setting": "cpu fp32, 2 threads, batches of 32 images, median of 5 runs after warm-up",
            "n_left_out": 2,
            "gallery_fingerprint": hashlib.sha256(b"ids").hexdigest(),
            "seconds": {"decode": 10 * rng.random(), "score": rng.random()},
            "warnings": () if any(labels) else ("no labels: nothing here says neighbours are right",),
        }
        | changed
    )
    source = SweepSource("sweep", image_root=folder, provenance={"bignet": "0.1.0"}, method={"k": 10, "seed": seed})
    return SweepWorld(sweep, source)


def _ranking(labels) -> str:
    return "map@r.macro" if any(label is not None for label in labels) else "self_hit@1"


def _choices(n, models, untrained) -> list[Choice]:
    made = []
    layers = max(2, math.ceil(n / len(models) / len(POOLS)))
    for i in range(n):
        model = models[i % len(models)]
        depth = i // len(models) % layers
        pool = POOLS[i // len(models) // layers % len(POOLS)]
        layer = f"layer{depth + 1}"
        dims = 64 * 2 ** (i % 5) * (4 if pool == "avg:4" else 1)
        made.append(
            Choice(
                name=f"{model}/{layer}.{pool}",
                model=model,
                weights="random:0" if model in untrained else "IMAGENET1K_V1",
                trained=model not in untrained,
                layer=layer,
                pool=pool,
                steps=(),
                dims=dims,
                coverage=0.33 if pool == "avg:4" else 1.0,
                shape=(dims, 7, 7),
                store=f"stores/{model}.bignet",
                embedding=f"{layer}.{pool}",
            )
        )
    return made


def _metric(name, value, n, rng=None, width=0.03, **more) -> Metric:
    lo, hi = (None, None) if value is None or rng is None else (value - width, value + width)
    reason = None if value is not None else "there are no labels"
    return Metric(name, value, lo, hi, n_queries=n, gallery_size=2 * n, reason=reason, **more)


def _scored(choices, labels, altered, rng) -> tuple[Scored, ...]:
    has = any(label is not None for label in labels)
    chosen = {item.name: _quality(item, rng) for item in choices}
    order = sorted(choices, key=lambda item: -chosen[item.name])
    # the half that is reported puts some in another order
    quality = {item.name: max(0.02, chosen[item.name] + (0.0, -0.012, 0.012)[i % 3]) for i, item in enumerate(order)}
    costs = {item.name: _cost(item, rng) for item in choices}
    best = order[0].name if order else ""
    front = _front(order, chosen, costs)
    made = []
    for item in order:
        value, n = quality[item.name], sum(label is not None for label in labels) or len(labels)
        name = _ranking(labels)
        gap = value - quality[best]
        made.append(
            Scored(
                choice=item,
                cost=costs[item.name],
                metrics=_metrics(value, name, has, altered, n, rng),
                chosen_half=_metric(name, chosen[item.name], n // 2, rng),
                reported=_metric(name, value, n // 2, rng, chance=0.1, excluded=Excluded(singleton=1)),
                to_best=None if item.name == best else _metric(f"{name} difference", gap, n // 2, rng, 0.012),
                p_value=None if item.name == best else float(min(1.0, math.exp(120 * gap))),
                tied=gap > -0.012,
                on_front=item.name in front,
                per_class={c: float(np.clip(value + rng.normal(0, 0.05), 0, 1)) for c in sorted(set(labels) - {None})},
                self_hit=_curves(value, rng) if altered else {},
            )
        )
    return tuple(made)


def _quality(item: Choice, rng) -> float:
    depth = int(item.layer.removeprefix("layer"))
    base = 0.12 if not item.trained else 0.30 + 0.035 * min(depth, 6) + (0.03 if item.pool.startswith("gem") else 0.0)
    return float(np.clip(base + rng.normal(0, 0.03), 0.03, 0.97))


def _cost(item: Choice, rng) -> Cost:
    speed = 900 / (1 + MODELS[::-1].index(item.model) if item.model in MODELS else 3) * (1 + 0.2 * rng.random())
    found = Cost(speed, speed / 1.6, int(2e9 / speed), 4 * item.dims, 8000.0 / item.dims, 400_000_000)
    return replace(found, images_s_end2end_lo=0.97 * speed / 1.6, images_s_end2end_hi=1.02 * speed / 1.6)


def _metrics(value, ranking, has, altered, n, rng) -> dict[str, Metric]:
    made = {ranking: _metric(ranking, value, n, rng)}
    if has:
        made |= {name: _metric(name, min(0.99, value + up), n, rng) for name, up in (
            ("map@r", 0.01), ("p@1", 0.25), ("pair_auroc", 0.4), ("silhouette", -0.2))}  # fmt: skip
        made["margin"] = _metric("margin", 0.02, n)
    made["plausible_fp"] = _metric("plausible_fp", None, n)
    made["self_hit@1"] = _metric("self_hit@1", min(0.99, value + 0.2) if altered else None, n)
    return made | {"rankme_centered": _metric("rankme_centered", 40.5, n), "hub_skew": _metric("hub_skew", 1.2, n),
                   "overlap_stability": _metric("overlap_stability", 0.8, n)}  # fmt: skip


def _curves(value, rng):
    return {
        kind: tuple((float(s), float(np.clip(0.97 - 0.2 * i + 0.3 * (value - 0.5) + rng.normal(0, 0.02), 0, 1)))
                    for i, s in enumerate(strengths))
        for kind, strengths in ALTERED.items()
    }  # fmt: skip


def _front(order, quality, costs) -> set[str]:
    points = [(quality[x.name], costs[x.name].images_s_end2end, -costs[x.name].bytes_per_vector) for x in order]
    return {item.name for item, kept in zip(order, on_front(points), strict=True) if kept}


def _dropped(choices) -> tuple[Dropped, ...]:
    models = list(dict.fromkeys(item.model for item in choices))
    return tuple(
        Dropped(model, "layer1", "avg:3", 8192, Why.SIZE, "8,192 numbers a vector, more than 2,000")
        for model in models[:6]
    )


def _cka(choices, rng):
    made = {}
    for model in dict.fromkeys(item.model for item in choices):
        layers = tuple(sorted({item.layer for item in choices if item.model == model}, key=lambda x: int(x[5:])))
        near = 0.985 ** np.abs(np.subtract.outer(np.arange(len(layers)), np.arange(len(layers))) * rng.integers(1, 9))
        made[model] = (layers, near)
    return made


def _distance(labels, rng) -> ClassDistance | None:
    names = tuple(sorted({label for label in labels if label is not None}))
    if len(names) < 2:
        return None
    matrix = 0.4 + 0.5 * rng.random((len(names), len(names)))
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 0.2)
    return ClassDistance(names, matrix)


def _strips(scored, labels, rng, most, n=12, k=10) -> tuple[Strip, ...]:
    shown = list(dict.fromkeys(x.choice.name for x in (*scored[: most - 1], *scored[-1:])))
    count = len(labels)
    if count < 2:
        return ()
    made = []
    for query in rng.permutation(count)[:n].tolist():
        others = np.array([row for row in range(count) if row != query], dtype=np.int32)
        rows = {name: rng.permutation(others)[:k] for name in shown}
        near = {name: np.sort(rng.random(len(rows[name])))[::-1] for name in shown}
        made.append(Strip(query, rows, near))
    return tuple(made)
