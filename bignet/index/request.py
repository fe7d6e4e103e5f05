"""What a person asks of an index, who may leave out what is to stay as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.errors import BigNetError
from bignet.index import disk, identity
from bignet.index.build import IndexSettings
from bignet.index.tuning import FLAT_KIND, USUAL, USUAL_KIND, Aim

if TYPE_CHECKING:
    from bignet.index.identity import IndexIdentity
    from bignet.store.snapshot import Snapshot


@dataclass(frozen=True)
class Request:
    """Settings of an index; None is what the index that is there was asked for, or the usual without one.

    Attributes:
        kind: see kinds.ALLOWED.
        recall: that its lower bound is to reach.
        k: of recall@k.
        memory: bytes that it may fill, which no index remembers; see IndexSettings.
    """

    kind: str | None = None
    recall: float | None = None
    k: int | None = None
    memory: int | None = None

    def settled(self, snapshot: Snapshot, embedding: str | None) -> IndexSettings:
        """With nothing left open.

        Raises:
            UsageError: no such embedding, or a setting that cannot be.
        """
        before = _recorded(snapshot, embedding)
        kind, aim = (USUAL_KIND, USUAL) if before is None else (before.asked, before.aim)
        if kind == FLAT_KIND:  # of which no recall is asked
            aim = USUAL
        return IndexSettings(
            kind=kind if self.kind is None else self.kind,
            aim=Aim(aim.recall if self.recall is None else self.recall, aim.k if self.k is None else self.k),
            memory=self.memory,
        )


def _recorded(snapshot: Snapshot, embedding: str | None) -> IndexIdentity | None:
    """The record of the index that is there, if it can be read."""
    folder = disk.folder_of(snapshot, snapshot.embedding(embedding).name)
    try:
        return identity.load(folder)
    except BigNetError:
        return None
