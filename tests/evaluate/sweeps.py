"""Sweeps of made-up choices: noisy copies of the same classes."""

import numpy as np

from bignet.evaluate.sweep.images import AlteredCopies, SweepImages
from bignet.evaluate.sweep.result import Choice, Cost


def choice(name, dims, model="net", **fields):
    layer, _, pool = name.partition(".")
    given = {"model": model, "weights": "random:0", "trained": False, "layer": layer, "pool": pool, "steps": ()}
    rest = {"coverage": 1.0, "shape": (dims, 7, 7), "store": model, "embedding": name}
    return Choice(f"{model}/{name}", dims=dims, **{**given, **rest, **fields})


def cost(images_s=100.0, n_bytes=256):
    return Cost(images_s, images_s, 10**9, n_bytes, 1000.0, 10**8)


class World:
    """N images of C classes; each choice sees them through noise of its own.

    Args:
        noises: standard deviation of each choice's noise, one a choice.
        copies: images that are altered; 0 = none.
    """

    def __init__(self, noises, *, n=120, n_classes=4, dims=12, seed=0, copies=0, labelled=True, name="f{}.gap"):
        rng = np.random.default_rng([seed, n, len(noises)])
        self.codes = rng.integers(n_classes, size=n)
        centres = np.random.default_rng(seed).standard_normal((n_classes, dims))
        base = centres[self.codes] + rng.standard_normal((n, dims))
        self.choices = [choice(name.format(i), dims) for i in range(len(noises))]
        self.vectors = {
            one.name: (base + noise * rng.standard_normal((n, dims))).astype(np.float32)
            for one, noise in zip(self.choices, noises, strict=True)
        }
        self.costs = {one.name: cost(100.0 * 2**i, 64 * dims) for i, one in enumerate(self.choices)}
        ids = rng.permutation(10 * n)[:n]
        labels = [f"class {code}" for code in self.codes] if labelled else None
        self.images = SweepImages(ids, [b"%d.jpg" % i for i in ids], labels, {"net": ids})
        self.copies = None
        if copies:
            rows = np.sort(rng.choice(n, copies, replace=False))
            shifts = {0.5: rng.standard_normal((copies, dims)), 2.0: 4 * rng.standard_normal((copies, dims))}
            self.copies = {
                name: AlteredCopies(
                    ids[rows],
                    tuple(("blur", strength) for strength in shifts),
                    np.stack([v[rows] + s for s in shifts.values()]).astype(np.float32),
                )
                for name, v in self.vectors.items()
            }

    def read(self, one):
        return self.vectors[one.name]

    @property
    def altered(self):
        return None if self.copies is None else lambda one: self.copies[one.name]
