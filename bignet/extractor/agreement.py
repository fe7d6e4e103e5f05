"""Whether a request agrees with the store it is about: the same settings, the same images. No network is needed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bignet import files
from bignet.errors import MismatchError, UsageError
from bignet.extractor.settings import AUTO
from bignet.names import shell_word
from bignet.spec import EmbeddingSpec, parse_pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bignet.extractor.plan import Plan
    from bignet.extractor.settings import ExtractSettings
    from bignet.extractor.sources import Scan
    from bignet.store.manifest import Manifest

_NAMED = 3  # pairs of each kind that a message names


def check_request(settings: ExtractSettings, embeddings: Sequence[EmbeddingSpec]) -> None:
    """What was asked for in words against what the store has; what was left open is the store's.

    Raises:
        MismatchError: naming both sides.
    """
    encoder = embeddings[0].computed_by
    pools = {str(parse_pool(pool)) for pool in settings.pools}
    pairs: list[tuple[str, str, str]] = [
        ("model", encoder.model, settings.model or encoder.model),
        ("layers", _listed({spec.layer for spec in embeddings}), _listed(set(settings.layers))),
        ("pools", _listed({spec.pool for spec in embeddings}), _listed(pools)),
        ("weights", _weights_name(encoder.weights), _weights_asked(settings.weights, embeddings[0])),
        *_form(settings, embeddings[0]),
    ]
    for name, stored, asked in pairs:
        if asked and asked not in (stored, AUTO):
            raise MismatchError(
                f"the store was made with {name} {stored} (fingerprint {embeddings[0].fingerprint}), not {asked}; "
                "leave the option out to go on with the store's own, or extract into another store"
            )
    _check_taps(settings, embeddings)


def _check_taps(settings: ExtractSettings, embeddings: Sequence[EmbeddingSpec]) -> None:
    """Which layer with which pool: a store need not have every pair of its layers and pools."""
    stored = {(spec.layer, spec.pool) for spec in embeddings}
    asked = {(tap.layer, str(parse_pool(tap.pool))) for tap in settings.taps}
    if settings.layers or settings.pools:
        layers = settings.layers or tuple({spec.layer for spec in embeddings})
        pools = settings.pools or tuple({spec.pool for spec in embeddings})
        asked = {(layer, str(parse_pool(pool))) for layer in layers for pool in pools}
    if asked and asked != stored:
        parts = (("new", asked - stored), ("lacking", stored - asked))
        named = "; ".join(f"{which}: {_few(pairs)}" for which, pairs in parts if pairs)
        raise MismatchError(
            f"the store holds {len(stored)} pairs of a layer and a pool (fingerprint {embeddings[0].fingerprint}), not "
            f"the {len(asked)} asked for ({named}); leave layers and pools out to go on with the store's own, or "
            "extract into another store"
        )


def _few(pairs: set[tuple[str, str]]) -> str:
    named = ", ".join(f"{layer} with {pool}" for layer, pool in sorted(pairs)[:_NAMED])
    return f"{named} and {len(pairs) - _NAMED} more" if len(pairs) > _NAMED else named


def _form(settings: ExtractSettings, spec: EmbeddingSpec) -> list[tuple[str, str, str]]:
    """How pictures become vectors: the store's, and what was asked for; empty where nothing was."""
    pre = spec.computed_by.preprocess
    return [
        ("size", str(pre.crop), str(settings.size or "")),
        ("resize mode", pre.mode, settings.resize_mode or ""),
        ("views", pre.views, settings.views or ""),
        ("decode", pre.decode, settings.decode or ""),
        ("precision", spec.computed_by.precision, settings.precision or ""),
        ("storage", spec.dtype, settings.storage or ""),
    ]


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _weights_name(origin: str) -> str:
    return "default" if origin.startswith(("published:", "package:")) else origin


def _weights_asked(request: str | None, spec: EmbeddingSpec) -> str:
    """The request in the store's own words; a file counts as the store's if it has the same digest."""
    stored = spec.computed_by
    if request in (stored.weights, stored.weights.partition(":")[0]):  # also ``factory`` for ``factory:NAME``
        return _weights_name(stored.weights)
    if request is None or request == "default" or request.startswith(("random:", "published:", "package:")):
        return request or ""
    path = Path(request.removeprefix("file:")).expanduser()
    if not path.is_file():
        raise UsageError(f"weights '{request}' are not a file; allowed: default, random:SEED or a file")
    same = files.sha256_of(path) == stored.weights_sha256
    return _weights_name(stored.weights) if same else f"file:{path.resolve()}"


def check_not_derived(store: Path, before: Manifest) -> None:
    """Whether a store's vectors are its encoder's own.

    Raises:
        UsageError: they were derived from another store's; the message says how images get in.
    """
    parent, derived = before.parent, before.embeddings[0].derived
    if parent is None or derived is None:
        return
    again = " ".join(map(shell_word, ("bignet", "derive", parent.path, str(store), "--steps", derived.steps)))
    raise UsageError(
        f"store '{store}' is derived ({derived.steps}) from '{parent.path}', and images go into that one; extract into "
        f"it, then bring this one up to date with: {again} --update"
    )


def check_source(found: Scan, before: Manifest, work: Plan) -> None:
    """Images of another folder must not silently take the place of all that is stored.

    Raises:
        MismatchError: none of the store's images is in the folder.
    """
    if str(found.root) == before.source.root or not work.by_path:
        return
    stays = any(entry.path in work.by_path for entry in found.entries)
    if not stays:
        raise MismatchError(
            f"the store holds {len(work.by_path):,} images of '{before.source.root}', none of which is in "
            f"'{found.root}'; give the same folder, or another store"
        )


def differences(ours: EmbeddingSpec, theirs: EmbeddingSpec) -> list[str]:
    """The fields in which two specs differ, as ``name: ours != theirs``."""
    return [f"{name}: {_short(a)} != {_short(b)}" for name, a, b in _pairs(asdict(ours), asdict(theirs)) if a != b]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}... ({len(value)})"


def _pairs(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    pairs: list[tuple[str, Any, Any]] = []
    for name, value in ours.items():
        if isinstance(value, dict):
            pairs += _pairs(value, theirs[name])
        else:
            pairs.append((name, value, theirs[name]))
    return pairs
