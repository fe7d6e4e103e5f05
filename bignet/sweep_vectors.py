"""The vectors of a sweep's choices: read from their stores, with the steps of the choice done to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bignet.derive.fit import fit
from bignet.derive.steps import StepKind, parse_steps
from bignet.errors import UsageError, explain_os_error
from bignet.evaluate.sweep.images import AlteredCopies
from bignet.evaluate.sweep.result import Choice, Dropped, Why
from bignet.extractor.alterations import USUAL
from bignet.extractor.altered import USUAL_IMAGES, Originals, embed_copies, spread
from bignet.extractor.altered_file import key_of, load, save

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bignet.derive.fitted import Fitted
    from bignet.extractor.altered import Altered
    from bignet.store.snapshot import Snapshot
    from bignet.sweep_networks import Networks

# Labels rank the choices where there are any, and what altered copies say is one column among others: it need not be
# known as well as where it is the ranking. At twelve copies of an image, one in a hundred costs an eighth of embedding.
_BESIDE_LABELS = 0.01
_FEWEST_IMAGES = 20
_VIEWS = "views"


class Vectors:
    """Reads choices; steps are fitted once, to all rows of the store.

    Args:
        stores: by ``Choice.store``, open.
    """

    def __init__(self, stores: Mapping[str, Snapshot]) -> None:
        self._stores = stores
        self._fitted: dict[str, Fitted] = {}

    def with_steps(
        self, choices: Sequence[Choice], steps: str, told: Callable[[int, int], None]
    ) -> tuple[list[Choice], list[Dropped]]:
        """The same choices after steps, such as ``pca:256``, and those that they cannot or need not be done to."""
        found, dropped = [], []
        for number, choice in enumerate(choices):
            told(number, len(choices))
            try:
                found.append(self._after(choice, steps))
            except UsageError as error:
                reason = f"{steps}: {str(error).partition(';')[0]}"
                dropped.append(Dropped(choice.model, choice.layer, choice.pool, choice.dims, Why.SIZE, reason))
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
    """Altered copies of some images, embedded by every model.

    Args:
        vectors: does a choice's steps.
        found: store -> its vectors, read when they are asked for.
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


@dataclass(frozen=True)
class CopyRequest:
    """What altered copies are made of.

    Attributes:
        folder: of the sweep: the copies' vectors are kept in ``views`` there for the next run.
        common: (n,) rows of the first store whose images the other stores hold, too.
        n_images: of so many images at most, from all over.
    """

    folder: Path
    common: NDArray[np.int64]
    n_images: int = USUAL_IMAGES


def images_altered(n_images: int, *, labelled: bool) -> int:
    """Of how many images altered copies are made."""
    return min(USUAL_IMAGES, max(_FEWEST_IMAGES, round(_BESIDE_LABELS * n_images))) if labelled else USUAL_IMAGES


def embed_all_copies(
    vectors: Vectors, networks: Networks, request: CopyRequest, told: Callable[[int, int], None]
) -> Copies | None:
    """Altered copies of images that every store holds: each file decoded once; None where none could be read.

    Args:
        vectors: does a choice's steps.
        networks: of the stores; the first one's rows and ids stand for all.
        request: see CopyRequest.
        told: how many of so many images are done.

    Raises:
        ResourceError: the disk refused.
    """
    stores = networks.stores
    first = next(iter(stores.values()))
    rows = request.common[spread(len(request.common), request.n_images)]
    if not len(rows):
        return None
    originals = Originals.of(first, rows)
    files = {name: request.folder / _VIEWS / f"{Path(name).stem}.safetensors" for name in stores}
    keys = {name: key_of(store.embeddings, originals, USUAL) for name, store in stores.items()}
    kept = {name: load(files[name], keys[name]) for name in stores}
    found = {name: altered for name, altered in kept.items() if altered is not None}
    if len(found) < len(stores) or len({tuple(altered.rows) for altered in found.values()}) > 1:
        encoders = [networks.encoder(name) for name in stores]
        found = dict(zip(stores, embed_copies(encoders, originals, USUAL, _counting(told, len(rows))), strict=True))
        try:
            (request.folder / _VIEWS).mkdir(parents=True, exist_ok=True)
            for name, altered in found.items():
                save(files[name], altered, keys[name])
        except OSError as error:
            raise explain_os_error(error, f"write into '{request.folder / _VIEWS}'") from error
        found = {name: load(files[name], keys[name]) or altered for name, altered in found.items()}
    read = next(iter(found.values())).rows
    return Copies(vectors, found, first.ids()[rows[read]]) if len(read) else None


def _counting(told: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    """Told how many more are done, tells how many are."""
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        told(done, total)

    return advance
