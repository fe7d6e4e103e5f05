"""``bignet info``: what a store holds."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bignet.cli.console import counted, grouped, say, say_json, table, typed
from bignet.imported import ImportedEncoder
from bignet.units import size

if TYPE_CHECKING:
    from bignet.index.state import IndexState
    from bignet.spec import EncoderSpec
    from bignet.store.snapshot import Snapshot

NAME = "info"
PANEL = "Store"


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store.")],
    rejected: Annotated[bool, typer.Option("--rejected", help="List the rejected files, tab-separated.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what a store holds: images, embeddings, where they came from, what was rejected.

    \b
    bignet info photos.bignet
    bignet info photos.bignet --rejected
    """
    from bignet.store.snapshot import Snapshot

    with Snapshot.open(store) as snapshot:
        refused = _rejected(snapshot)
        if json_output:
            say_json(_as_json(snapshot) | ({"rejected": refused} if rejected else {}))
        elif rejected:
            _print_rejected(refused)
        else:
            _print(snapshot, refused)


def _rejected(snapshot: Snapshot) -> list[dict[str, str]]:
    rows = snapshot.rejected().select(["path", "reason", "detail"]).to_pylist()
    return [{**row, "path": os.fsdecode(row["path"])} for row in sorted(rows, key=lambda row: row["path"])]


def _print_rejected(refused: list[dict[str, str]]) -> None:
    from bignet.names import visible

    for row in refused:
        say("\t".join(visible(row[name]) for name in ("path", "reason", "detail")))


def _print(snapshot: Snapshot, refused: list[dict[str, str]]) -> None:
    manifest = snapshot.manifest
    n_bytes = sum(item.n_bytes for item in (*manifest.shards, *manifest.rejected))
    verb = _verb(snapshot)
    state = "complete" if manifest.complete else f"incomplete: run bignet {verb} again"
    say(f"{snapshot.path}: {counted(len(snapshot), 'row')}, {size(n_bytes)}, snapshot {manifest.number}, {state}")
    counts = manifest.counts
    encoder, root = snapshot.embeddings[0].encoder, manifest.source.root
    if isinstance(encoder, ImportedEncoder):
        lines = _imported(snapshot, encoder)
    else:
        lines = [("images", f"{root} ({grouped(counts.discovered)} files found)"), *_computed(snapshot, encoder)]
    lines += _derived(snapshot)
    if refused:
        reasons = Counter(row["reason"] for row in refused).most_common()
        listed = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
        lines.append(("rejected", f"{grouped(len(refused))} ({listed}; list: --rejected)"))
    for name, text in lines:
        say(f"  {name:9} {text}")
    _print_embeddings(snapshot)


def _verb(snapshot: Snapshot) -> str:
    """Which command made the store."""
    if snapshot.manifest.parent is not None:
        return "derive"
    return "import" if isinstance(snapshot.embeddings[0].encoder, ImportedEncoder) else "extract"


def _derived(snapshot: Snapshot) -> list[tuple[str, str]]:
    """The steps of a derived store, and what they were done to."""
    from bignet.names import visible
    from bignet.store.parent import parent_of, update_command

    parent, derived = snapshot.manifest.parent, snapshot.embeddings[0].derived
    if parent is None or derived is None:
        return []
    now = parent_of(snapshot)
    if now is None:
        standing = "not there now"
    elif now.number == parent.number:
        standing = "as it is now"
    else:
        again = typed(update_command(snapshot, now.path))
        standing = f"which is at {now.number} now ({counted(now.rows, 'row')}); next: {again}"
    where = f"snapshot {parent.number} of {visible(parent.path)}, {standing}"
    return [
        ("steps", f"{derived.steps}, done to queries too"),
        ("parent", f"{parent.embedding} ({counted(derived.dims, 'dim')}, {parent.fingerprint}) of {where}"),
    ]


def _print_embeddings(snapshot: Snapshot) -> None:
    from bignet.index.state import mend

    indexes = _indexes(snapshot)
    for line in table(("embedding", "dims", "fingerprint", "index"), _embeddings(snapshot, indexes), right="lrll"):
        say(f"  {line}")
    mends = [typed(mend(snapshot, index)) for index in indexes.values() if index is not None]
    if any(mends):
        say(f"next: {' · '.join(text for text in dict.fromkeys(mends) if text)}")


def _computed(snapshot: Snapshot, encoder: EncoderSpec) -> list[tuple[str, str]]:
    spec, proof = snapshot.embeddings[0], snapshot.manifest.environment.get("proof")
    return [
        ("model", f"{encoder.model} · {encoder.weights}"),
        ("weights", f"SHA-256 {encoder.weights_sha256}"),
        ("input", encoder.preprocess.sentence),
        ("computed", f"{encoder.precision}{f' ({proof})' if proof else ''}, stored as {spec.dtype}"),
    ]


def _imported(snapshot: Snapshot, encoder: ImportedEncoder) -> list[tuple[str, str]]:
    from bignet.names import visible

    manifest, dtype = snapshot.manifest, snapshot.embeddings[0].dtype
    found = counted(manifest.counts.discovered, "vector")
    return [
        ("imported", f"from {visible(encoder.imported_from)} ({found}), stored as {dtype}"),
        ("encoder", encoder.model or "not told"),
        ("images", f"{visible(manifest.source.root)}, where paths start from"),
    ]


def _embeddings(snapshot: Snapshot, indexes: dict[str, IndexState | None]) -> list[tuple[str, str, str, str]]:
    return [
        (spec.name, grouped(spec.dims), spec.fingerprint, _in_a_word(indexes[spec.name]))
        for spec in snapshot.embeddings
    ]


def _indexes(snapshot: Snapshot) -> dict[str, IndexState | None]:
    """By embedding; the files are not read, so that a changed byte in one is for ``bignet verify`` to find."""
    from bignet.index import state

    return {spec.name: state.look_at(snapshot, spec.name) for spec in snapshot.embeddings}


def _in_a_word(index: IndexState | None) -> str:
    from bignet.index.state import Standing

    if index is None:
        return "none"
    kind = "" if index.record is None else f"{index.record.kind}, "
    why = f" ({index.why})" if index.standing in (Standing.DAMAGED, Standing.UNREAD, Standing.UNKNOWN) else ""
    return f"{kind}{index.standing}{why}"


def _index_as_json(snapshot: Snapshot, index: IndexState | None) -> dict[str, Any] | None:
    from bignet.index import state

    if index is None:
        return None
    kind = None if index.record is None else index.record.kind
    return {"kind": kind, "state": index.standing, "why": index.why, "mend": state.mend(snapshot, index)}


def _as_json(snapshot: Snapshot) -> dict[str, Any]:
    manifest, indexes = snapshot.manifest, _indexes(snapshot)
    return {
        "store": str(snapshot.path),
        "store_uuid": manifest.store_uuid,
        "snapshot": manifest.number,
        "complete": manifest.complete,
        "rows": len(snapshot),
        "counts": vars(manifest.counts),
        "source": vars(manifest.source),
        "embeddings": [
            spec.as_json()
            | {"name": spec.name, "fingerprint": spec.fingerprint}
            | {"index": _index_as_json(snapshot, indexes[spec.name])}
            for spec in snapshot.embeddings
        ],
        "shards": [vars(item) for item in manifest.shards],
        "environment": dict(manifest.environment),
    } | ({} if manifest.parent is None else {"parent": vars(manifest.parent)})
