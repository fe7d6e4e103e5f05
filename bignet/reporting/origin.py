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
