"""One derivation from a store: the steps fitted, applied and written, and judged against the parent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bignet.derive.fit import fit
from bignet.derive.run import derive
from bignet.evaluate.derived import judge
from bignet.evaluate.label_file import read_label_table
from bignet.evaluate.unit_rows import usable_rows

if TYPE_CHECKING:
    import os

    from bignet.derive.run import Listener, Outcome
    from bignet.derive.settings import DeriveSettings
    from bignet.evaluate.derived import Judgement
    from bignet.store.snapshot import Snapshot


@dataclass(frozen=True)
class Derived:
    """What a derivation did, and what came of it; ``judgement`` is None where nothing can be asked."""

    outcome: Outcome
    judgement: Judgement | None


def run(
    parent: Snapshot,
    store: str | os.PathLike[str],
    settings: DeriveSettings,
    labels: str | os.PathLike[str] | None = None,
    listener: Listener | None = None,
) -> Derived:
    """Derive a store from another, then hold it against its parent.

    Args:
        parent: what is derived from.
        store: folder of the new store.
        settings: which steps, of which embedding.
        labels: CSV or Parquet with ``label`` and ``id`` or ``path``; the store's own (folder names) if None.
        listener: told about progress.

    Raises:
        UsageError, MismatchError, LockedError, ResourceError: see ``bignet.derive.run.derive``.
    """
    known = _labels(parent, labels)
    outcome = derive(parent, store, settings, listener)
    return Derived(outcome, _judgement(parent, known, settings))


def _labels(parent: Snapshot, labels: str | os.PathLike[str] | None) -> list[str | None]:
    names = parent.metadata(["id", "path", "label"])
    own: list[str | None] = names["label"].to_pylist()
    if labels is None:
        return own
    table = read_label_table(Path(labels), names["id"].to_numpy(), names["path"].to_pylist())
    return own if table.labels is None else list(table.labels)


def _judgement(parent: Snapshot, labels: list[str | None], settings: DeriveSettings) -> Judgement | None:
    vectors = parent.vectors(settings.embedding)
    usable = usable_rows(vectors)[0]
    if len(usable) < len(vectors):
        vectors, labels = vectors[usable], [labels[row] for row in usable]

    return judge(vectors, labels, partial(fit, settings.parsed))
