"""What a person gives as a query -> a vector: an image file, a stored path or an id, a vector, or several of them."""

from __future__ import annotations

import math
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bignet.errors import UsageError
from bignet.images import Limits, RejectedImage, read_image_file
from bignet.search.combine import combined, term
from bignet.search.results import Query
from bignet.search.steps import QuerySteps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bignet.extractor.encoder import Encoder
    from bignet.images import ImageFile
    from bignet.search.rows import Rows
    from bignet.search.settings import Opening

QueryInput = str | os.PathLike[str] | int | np.integer[Any] | NDArray[np.float32]
WeightedInput = QueryInput | tuple[QueryInput, float]


class Reader:
    """Reads queries for one embedding of a store; the network is built when the first picture needs it."""

    def __init__(self, rows: Rows, opening: Opening, vector_of: Callable[[int], NDArray[np.float32]]) -> None:
        self._rows = rows
        self._vector_of = vector_of
        self._opening = opening
        self._snapshot = rows.snapshot
        self._spec = rows.snapshot.embedding(opening.embedding)
        self.steps = QuerySteps(rows.snapshot)

    @cached_property
    def encoder(self) -> Encoder:
        """The network that made the store.

        Raises:
            MismatchError: what can be built today is another.
        """
        from bignet.extractor import encoder

        made = [spec.before for spec in self._snapshot.embeddings]
        return encoder.rebuild(made, self._opening.weights, self._opening.device)

    def read(self, query: QueryInput) -> Query:
        """A query as given -> ready to be answered.

        An integer is an id; a text is a file here, else a path in the store, else an id; ``id:12`` and
        ``path:cat/1.jpg`` say which is meant; an array is a vector, of a derived store one from before its steps.

        Raises:
            UsageError: none of these, or a file that is no readable image.
        """
        if isinstance(query, np.ndarray):
            vector = _as_vector(query)
            return Query("vector", self.steps.apply(vector[None])[0] if vector.ndim == 1 else vector)
        if isinstance(query, int | np.integer):
            return self.stored(str(query), self._rows.require_id(str(query)))
        text = _as_text(query)
        kind, colon, rest = text.partition(":")
        if colon and kind == "id":
            return self.stored(text, self._rows.require_id(rest))
        if colon and kind == "path":
            return self.stored(text, self._rows.require_path(rest))
        if _is_file(text):
            return self._from_file(text)
        row = self._rows.with_path(text)
        return self.stored(text, self._rows.require_id(text) if row is None else row)

    def is_there(self, text: str) -> bool:
        """Whether ``read`` would find what a text names."""
        kind, colon, rest = text.partition(":")
        if colon and kind == "id":
            return self._rows.with_id(rest) is not None
        if colon and kind == "path":
            return self._rows.with_path(rest) is not None
        if kind in ("id", "path"):
            return False  # of ``id:7`` without an id 7 the 7 is no weight
        return _is_file(text) or self._rows.with_path(text) is not None or self._rows.with_id(text) is not None

    def read_all(self, texts: Sequence[str], *, combine: bool) -> list[Query]:
        """Texts as given on a command line -> each a query; all together one if asked for, or if one has a weight.

        Raises:
            UsageError: see read.
        """
        terms = [term(text, self.is_there) for text in texts]
        if not combine and all(weight is None for _, weight in terms):
            return [self.read(text) for text, _ in terms]
        return [self._combined(terms)]

    def read_combined(self, inputs: Sequence[WeightedInput]) -> Query:
        """Queries, each alone or in a pair with its weight, and texts that may end in one -> one query.

        Raises:
            UsageError: see read, and combine.combined.
        """
        return self._combined([self._pair(item) for item in inputs])

    def stored(self, text: str, row: int) -> Query:
        """A row of the store."""
        own_ids = frozenset({int(self._rows.ids[row])})
        return Query(text, self._vector_of(row), own_ids, (Path(self._rows.path(row)),))

    def _pair(self, item: WeightedInput) -> tuple[QueryInput, float | None]:
        if isinstance(item, tuple):
            name, weight = item
            return name, _finite(weight)
        return term(item, self.is_there) if isinstance(item, str) else (item, None)

    def _combined(self, terms: Sequence[tuple[QueryInput, float | None]]) -> Query:
        queries = [self.read(query) for query, _ in terms]
        return combined(queries, [1.0 if weight is None else weight for _, weight in terms])

    def _from_file(self, text: str) -> Query:
        try:
            file = read_image_file(text)
            rows = self._rows.with_bytes(file.sha256)
            # The very bytes are in the store: so is their vector, and the network need not run.
            vector = self._vector_of(int(rows[0])) if len(rows) else self._embed(file)
        except RejectedImage as refusal:
            raise UsageError(f"query '{text}' cannot be used ({refusal.reason}): {refusal.detail}") from None
        own = self._rows.of_file(text, file.sha256)
        return Query(text, vector, frozenset(int(self._rows.ids[row]) for row in own), (Path(text).absolute(),))

    def _embed(self, file: ImageFile) -> NDArray[np.float32]:
        preprocess = self._spec.computed_by.preprocess  # refuses imported vectors before torch is loaded
        from bignet.extractor import decode

        square, _, _ = decode.decode(file.data, preprocess, Limits())
        vector: NDArray[np.float32] = self.steps.apply(self.encoder.encode(square[None])[self._spec.before.name])[0]
        return vector


def _as_vector(values: NDArray[np.generic]) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as not finite
            return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        raise UsageError(f"the query is an array of {values.dtype}; give numbers") from None


def _finite(weight: float) -> float:
    if not math.isfinite(weight):
        raise UsageError(f"weight {weight} cannot be; give a finite number")
    return float(weight)


def _as_text(query: object) -> str:
    if isinstance(query, str | os.PathLike) and isinstance(text := os.fspath(query), str):
        return text
    raise UsageError(f"a query is a {type(query).__name__}; give an image file, a path, an id or an array of numbers")


def _is_file(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return False
