"""The vectors of a sweep's choices: read from their stores, with the steps of the choice done to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.derive.fit import fit
from bignet.derive.steps import StepKind, parse_steps
from bignet.errors import UsageError
from bignet.evaluate.sweep.images import AlteredCopies
from bignet.evaluate.sweep.result import Choice, Dropped
from bignet.extractor import alterations
from bignet.extractor.altered import Originals, embed_copies, encoder_of, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.derive.fitted import Fitted
    from bignet.extractor.altered import Altered
    from bignet.store.snapshot import Snapshot

_MOST_COPIES = 200
# Vectors of altered copies of all choices are held together: fewer images are altered where they would be larger.
_COPY_BYTES = 1 << 30


class Vectors:
    """Reads choices; steps are fitted once, to all rows of the store.

    Args:
        stores: by ``Choice.store``, open.
    """

    def __init__(self, stores: Mapping[str, Snapshot]) -> None:
        self._stores = stores
        self._fitted: dict[str, Fitted] = {}

    def with_steps(self, choices: Sequence[Choice], steps: str) -> tuple[list[Choice], list[Dropped]]:
        """The same choices after steps, such as ``pca:256``, and those that they cannot or need not be done to."""
        found, dropped = [], []
        for choice in choices:
            try:
                found.append(self._after(choice, steps))
            except UsageError as error:
                reason = f"{steps}: {str(error).partition(';')[0]}"
                dropped.append(Dropped(choice.model, choice.layer, choice.pool, choice.dims, reason))
        return found, dropped

    def _after(self, choice: Choice, steps: str) -> Choice:
        parsed = parse_steps(steps)
        wanted = [step.count for step in parsed if step.kind in (StepKind.PCA, StepKind.WHITEN)]
        if wanted and min(wanted) >= choice.dims:
            raise UsageError(f"its {choice.dims:,} numbers a vector are not more")
        name = f"{choice.name}+{steps}"
        fitted = fit(parsed, self._stored(choice))
        self._fitted[name] = fitted
        return replace(choice, name=name, steps=tuple(map(str, parsed)), dims=fitted.dims_after)

    def read(self, choice: Choice) -> NDArray[np.float32]:
        """(n, D) rows of its store."""
        return self.done(choice, self._stored(choice))

    def done(self, choice: Choice, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) as stored or embedded -> (n, D) after the choice's steps."""
        return self._fitted[choice.name].apply(vectors) if choice.steps else vectors

    def _stored(self, choice: Choice) -> NDArray[np.float32]:
        return self._stores[choice.store].vectors(choice.embedding)


class Copies:
    """Altered copies of some images, embedded by every model: each file decoded once.

    Args:
        vectors: does a choice's steps.
        found: store -> its vectors.
        ids: (n,) of the images altered.
    """

    def __init__(self, vectors: Vectors, found: Mapping[str, Altered], ids: NDArray[np.int64]) -> None:
        self._vectors = vectors
        self._found = found
        self._ids = ids

    def __call__(self, choice: Choice) -> AlteredCopies:
        """Those under one choice."""
        altered = self._found[choice.store]
        values = altered.vectors[choice.embedding]
        flat = self._vectors.done(choice, values.reshape(-1, values.shape[2]))
        points = tuple(each.point for each in altered.alterations)
        return AlteredCopies(self._ids, points, flat.reshape(*values.shape[:2], -1))


def embed_all_copies(
    vectors: Vectors,
    stores: Mapping[str, Snapshot],
    common: NDArray[np.int64],
    device: str,
    told: Callable[[int, int], None],
) -> Copies | None:
    """Altered copies of images that every store holds; None where none could be read.

    Args:
        vectors: does a choice's steps.
        stores: by name; the first one's rows and ids stand for all.
        common: (n,) rows of the first store whose images the others hold, too.
        device: see ``machine.find_device``.
        told: how many of so many images are done.
    """
    first = next(iter(stores.values()))
    dims = sum(spec.dims for store in stores.values() for spec in store.embeddings)
    affordable = _COPY_BYTES // (dims * np.dtype(np.float32).itemsize * len(alterations.USUAL))
    rows = common[spread(len(common), max(min(_MOST_COPIES, affordable), 1))]
    done = 0

    def advance(n_images: int) -> None:
        nonlocal done
        done += n_images
        told(done, len(rows))

    networks = [encoder_of(store.embeddings, device=device) for store in stores.values()]
    found = embed_copies(networks, Originals.of(first, rows), alterations.USUAL, advance)
    if not len(found[0].rows):
        return None
    return Copies(vectors, dict(zip(stores, found, strict=True)), first.ids()[rows[found[0].rows]])
