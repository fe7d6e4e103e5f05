"""Where an embedding's vectors come from, as the report tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.imported import ImportedEncoder

if TYPE_CHECKING:
    from bignet.spec import EmbeddingSpec, EncoderSpec
    from bignet.store.manifest import Manifest

Facts = dict[str, str | int | float | None]


def origin_of(manifest: Manifest, spec: EmbeddingSpec) -> Facts:
    """Encoder, layer, fingerprint, store and versions, by name."""
    encoder = spec.encoder
    made = _imported(encoder) if isinstance(encoder, ImportedEncoder) else _computed(encoder, spec)
    return {
        **made,
        "dtype": spec.dtype,
        "fingerprint": spec.fingerprint,
        "store_uuid": manifest.store_uuid,
        "snapshot": manifest.number,
        **_derived(manifest, spec),
        **{f"{name}_version" if name != "device" else name: value for name, value in manifest.environment.items()},
    }


def _computed(encoder: EncoderSpec, spec: EmbeddingSpec) -> Facts:
    return {
        "model": encoder.model,
        "weights": encoder.weights_name,
        "weights_sha256": encoder.weights_sha256,
        "layer": spec.layer,
        "pool": spec.pool,
        "preprocess": encoder.preprocess.sentence,
        "precision": encoder.precision,
    }


def _imported(encoder: ImportedEncoder) -> Facts:
    return {"model": encoder.model or None, "imported_from": encoder.imported_from, "import_sha256": encoder.sha256}


def _derived(manifest: Manifest, spec: EmbeddingSpec) -> Facts:
    """What was done to the encoder's vectors, and where they were before."""
    parent, derived = manifest.parent, spec.derived
    if parent is None or derived is None:
        return {}
    return {
        "steps": derived.steps,
        "steps_sha256": derived.sha256,
        "parent_store_uuid": parent.store_uuid,
        "parent_snapshot": parent.number,
        "parent_embedding": parent.embedding,
        "parent_fingerprint": parent.fingerprint,
        "parent_dims": derived.dims,
    }
