"""The clusters of a store: labels joined, vectors divided, the tables written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bignet.errors import UsageError
from bignet.evaluate.clusters.find import LEAST_ROWS, clusters_of
from bignet.evaluate.label_file import read_label_table
from bignet.evaluate.labels import check_labels, code_labels
from bignet.evaluate.unit_rows import UnitRows, usable_rows
from bignet.reporting.write_clusters import StoreClusters, write_clusters

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from bignet.evaluate.clusters.settings import ClusterSettings
    from bignet.store.snapshot import Snapshot


def run(
    snapshot: Snapshot,
    out: Path | None,
    settings: ClusterSettings,
    labels: str | os.PathLike[str] | None = None,
    embedding: str | None = None,
) -> StoreClusters:
    """Divide an embedding of a store into clusters; see ``bignet.clusters``.

    Raises:
        UsageError: no such embedding, labels that do not fit, or too few images.
        ResourceError: the disk refused.
    """
    ids, paths, known = _names_of(snapshot, labels)
    vectors = snapshot.vectors(embedding)
    usable = usable_rows(vectors)[0]
    coded = code_labels(check_labels(ids[usable], [known[row] for row in usable]))
    found = clusters_of(UnitRows(vectors, usable), coded, settings)
    if found is None:
        least = f"{settings.method} needs more ({LEAST_ROWS} do)"
        raise UsageError(f"{len(usable)} images cannot be divided into clusters; {least}")
    named = ids[usable], tuple(paths[row] for row in usable)
    return StoreClusters(found, *named, None if out is None else write_clusters(found.chosen, *named, out))


def _names_of(snapshot: Snapshot, labels: str | os.PathLike[str] | None) -> tuple[Any, list[bytes], Sequence[Any]]:
    """Ids, paths and labels of all rows: the store's own labels, or those of a file."""
    names = snapshot.metadata(["id", "path", "label"])
    ids, paths = names["id"].to_numpy(), names["path"].to_pylist()
    given = None if labels is None else read_label_table(Path(labels), ids, paths).labels
    return ids, paths, names["label"].to_pylist() if given is None else given
