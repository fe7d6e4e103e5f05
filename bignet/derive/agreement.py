"""Whether a derivation can be done as asked: the parent, and what is already where it is to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.derive.parameters import fitted_of
from bignet.errors import MismatchError, UsageError
from bignet.names import shell_word
from bignet.store.parent import update_command
from bignet.store.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from bignet.derive.fitted import Fitted
    from bignet.derive.settings import DeriveSettings
    from bignet.spec import EmbeddingSpec
    from bignet.store.manifest import Manifest
    from bignet.store.writer import StoreWriter

_ELSEWHERE = "a derivation makes a new store, give another folder"


@dataclass(frozen=True)
class Standing:
    """What is where a derivation is to go.

    Attributes:
        exists: whether a store of this derivation is.
        up_to_date: whether it holds all that the derivation would write.
        fitted: the steps as they were fitted for it; None if they are still to be.
    """

    exists: bool = False
    up_to_date: bool = False
    fitted: Fitted | None = None


def check_parent(parent: Snapshot, store: Path) -> None:
    """Whether a store can be derived from.

    Raises:
        UsageError: it is derived itself, has no rows, is opened in part, or is where its derivation is to go.
    """
    derived = parent.embedding().derived
    if store.resolve() == parent.path.resolve():
        raise UsageError(f"'{store}' is the store itself; give another folder")
    if derived is not None and parent.manifest.parent is not None:
        first = parent.manifest.parent.path
        raise UsageError(
            f"store '{parent.path}' is derived itself; derive from '{first}' with --steps {derived.steps},..."
        )
    if not len(parent):
        raise UsageError(f"store '{parent.path}' has no embedded images; there is nothing to derive from")
    if parent.left_out is not None:
        raise UsageError(f"store '{parent.path}' is opened in part; verify and repair it first")


def stand(writer: StoreWriter, parent: Snapshot, settings: DeriveSettings) -> Standing:
    """What is there already.

    Raises:
        UsageError: something else, or what cannot be brought up to date.
        MismatchError: the same derivation of an earlier snapshot of the parent, and no update was asked for.
        IntegrityError: what was fitted for it is damaged.
    """
    before = writer.manifest
    if before is None:
        return Standing()
    _check_same(writer.path, before, parent.embedding(settings.embedding), parent, settings)
    snapshot = Snapshot(writer.path, before)
    fitted = None if before.fitted is None else fitted_of(snapshot)
    if before.parent is not None and before.parent.number != parent.manifest.number:
        _check_update(snapshot, before.parent.number, parent, fitted, update=settings.update)
        return Standing(exists=True, fitted=fitted)
    return Standing(exists=True, up_to_date=before.complete and fitted is not None, fitted=fitted)


def check_same_fit(held: EmbeddingSpec, fitted: EmbeddingSpec, store: Path) -> None:
    """Whether steps that were fitted again are what they were.

    Raises:
        UsageError: they differ, so that old rows and new could not be compared.
    """
    if held.fingerprint != fitted.fingerprint:
        raise UsageError(
            f"store '{store}' cannot be mended: its steps were fitted on another machine ({held.fingerprint}, here "
            f"{fitted.fingerprint}); {_ELSEWHERE}"
        )


def _check_same(
    store: Path, before: Manifest, wanted: EmbeddingSpec, parent: Snapshot, settings: DeriveSettings
) -> None:
    held, origin = before.embeddings[0], before.parent
    if held.derived is None or origin is None:
        raise UsageError(f"store '{store}' exists already, and is not derived ('{held.name}'); {_ELSEWHERE}")
    asked = (parent.manifest.store_uuid, wanted.fingerprint, settings.text)
    if asked != (origin.store_uuid, origin.fingerprint, held.derived.steps):
        raise UsageError(
            f"store '{store}' exists already: {held.derived.steps} of {origin.embedding} of '{origin.path}'; "
            f"{_ELSEWHERE}"
        )


def _check_update(derived: Snapshot, number: int, parent: Snapshot, fitted: Fitted | None, *, update: bool) -> None:
    now = parent.manifest.number
    moved = (
        f"store '{derived.path}' was derived from snapshot {number} of '{parent.path}' ({len(derived):,} rows), which "
        f"is at {now} now ({len(parent):,} rows)"
    )
    if fitted is None:
        raise UsageError(f"{moved}, and what was fitted for it is lost; {_ELSEWHERE}")
    if fitted.dba is not None:
        raise UsageError(f"{moved}; {fitted.dba} mixes rows with their neighbours, so that all change; {_ELSEWHERE}")
    if not update:
        again = " ".join(map(shell_word, update_command(derived, parent.path)))
        raise MismatchError(f"{moved}; apply its steps to the new rows: {again}; or fit anew into another folder")
