"""What makes two vectors comparable: model, weights, preprocessing, layer, pool. And its fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from bignet.derivation import Derivation
from bignet.errors import UsageError
from bignet.imported import ImportedEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FINGERPRINT_LENGTH = 16
POOLS_ALLOWED = (
    "gap (= spoc), max (= mac), gem:p (p > 0), rmac:L, crow, avg:k, avgc:k, grid:n (L, k, n >= 1), cls, flat"
)
_PLAIN_POOLS = ("gap", "max", "crow", "cls", "flat")
_COUNTED_POOLS = ("avg", "avgc", "grid", "rmac")
_POOL_ALIASES = {"spoc": "gap", "mac": "max", "gem": "gem:3", "rmac": "rmac:3"}


@dataclass(frozen=True)
class PoolName:
    """A pool's kind and its number: gem's power, avg's window, grid's side, rmac's levels; 0 where there is none."""

    kind: str
    number: float = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.number:g}" if self.number else self.kind


def parse_pool(text: str) -> PoolName:
    """``"gem:3"`` -> its name in parts; ``"gem"`` alone is gem:3, ``"rmac"`` rmac:3, ``"spoc"`` gap.

    Raises:
        UsageError: not a pool; the message lists those there are.
    """
    kind, colon, argument = _POOL_ALIASES.get(text, text).partition(":")
    if kind in _PLAIN_POOLS and not colon:
        return PoolName(kind)
    number = _positive(argument)
    if number and (kind == "gem" or (kind in _COUNTED_POOLS and number.is_integer())):
        return PoolName(kind, number)
    raise UsageError(f"pool '{text}' is unknown; allowed: {POOLS_ALLOWED}")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 < value < float("inf") else 0.0


INTERPOLATIONS = ("bilinear", "bicubic")
RESIZE_MODES = ("crop", "squash", "pad")
VIEWS = {"centre": 1, "flip": 2, "five": 5, "ten": 10}
DECODERS = ("exact", "fast")
PRECISIONS = ("fp32", "bf16", "fp16", "int8")
DTYPES = ("float32", "float16")
_SMALLEST_RANGE, _LARGEST_RANGE = 1e-30, 1e30


@dataclass(frozen=True)
class Preprocess:
    """Pixels as the network is to see them: resize, cut a square, normalise.

    Attributes:
        resize: length of the shorter side after resizing, pixels.
        crop: side of the square that the network sees, pixels.
        interpolation: ``"bilinear"`` or ``"bicubic"``, always antialiased.
        mean: per channel, for pixels in 0..1.
        std: per channel, for pixels in 0..1.
        mode: ``"crop"``: shorter side to ``resize``, then the square from the middle, as in training; ``"squash"``: the
            whole picture pressed into the square; ``"pad"``: the whole picture, its longer side to ``crop``, the rest
            filled with the mean colour.
        views: which squares of a picture are embedded and averaged, VIEWS says how many: ``"centre"``; ``"flip"``: that
            and its mirror image; ``"five"``: the four corners of the resized picture and its centre; ``"ten"``: those
            and the same of its mirror image. Corners there are in mode ``"crop"`` only.
        decode: ``"exact"``, or ``"fast"``: JPEGs at the smallest DCT scale that is at least twice the size needed.

    Raises:
        UsageError: a value that is not allowed; the message lists those that are.
    """

    resize: int
    crop: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    mode: str = "crop"
    views: str = "centre"
    decode: str = "exact"

    def __post_init__(self) -> None:
        _refuse_unknown("interpolation", self.interpolation, INTERPOLATIONS)
        _refuse_unknown("mode", self.mode, RESIZE_MODES)
        _refuse_unknown("views", self.views, VIEWS)
        _refuse_unknown("decode", self.decode, DECODERS)
        for name, side in (("resize", self.resize), ("crop", self.crop)):
            if side < 1:
                raise UsageError(f"{name} {side} is no size; allowed: 1 pixel and more")
        if self.n_views > VIEWS["flip"]:
            self._refuse_without_corners()

    def _refuse_without_corners(self) -> None:
        if self.mode != "crop":
            raise UsageError(
                f"views '{self.views}' are no use in mode '{self.mode}': its square is the whole picture; "
                "allowed: centre, flip; or mode 'crop'"
            )
        if self.resize < self.crop:
            raise UsageError(
                f"views '{self.views}' need corners: resize {self.resize} is less than crop {self.crop}; "
                "allowed: resize >= crop; or views centre, flip"
            )

    @property
    def n_views(self) -> int:
        """Squares a picture."""
        return VIEWS[self.views]

    @property
    def sentence(self) -> str:
        """``shorter side 256, centre 224, bilinear``, and what else is unusual."""
        how = {
            "crop": f"shorter side {self.resize}, centre {self.crop}",
            "squash": f"squashed to {self.crop}",
            "pad": f"padded to {self.crop}",
        }
        views = "" if self.n_views == 1 else f", {self.views} averaged"
        return f"{how[self.mode]}, {self.interpolation}{views}{', decoded fast' if self.decode == 'fast' else ''}"

    def sized(self, size: int) -> Preprocess:
        """The same for a square of ``size`` pixels, in training's proportion of resize to crop."""
        return replace(self, resize=round(self.resize * size / self.crop), crop=size)


def _refuse_unknown(name: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise UsageError(f"{name} '{value}' is unknown; allowed: {', '.join(allowed)}")


@dataclass(frozen=True)
class EncoderSpec:
    """The network and what goes into it.

    Attributes:
        model: name of the backbone, or ``package.module:function``.
        weights: where they came from: a published set's name, a file's name, ``random:SEED``, a package.
        weights_sha256: digest of the file, or of the parameters themselves when there is no file.
        preprocess: see Preprocess.
        precision: arithmetic of the forward pass: ``fp32``, ``bf16``, ``fp16``, or ``int8``: the convolutions of
            ``ranges`` in 8-bit integers, the rest in bf16; pools add up in fp32 always.
        ranges: convolution -> the largest input that its 8 bits can stand for; only with ``int8``.

    Raises:
        UsageError: ranges without int8 or int8 without, or ranges that are none.
    """

    model: str
    weights: str
    weights_sha256: str
    preprocess: Preprocess
    precision: str = "fp32"
    ranges: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if bool(self.ranges) != (self.precision == "int8"):
            raise UsageError(
                f"precision {self.precision} with {len(self.ranges)} ranges; int8 needs those that an extraction "
                "finds on its images, and others have none"
            )
        wrong = [pair for pair in self.ranges if not _SMALLEST_RANGE <= pair[1] <= _LARGEST_RANGE]
        if wrong or len(dict(self.ranges)) < len(self.ranges):
            name, largest = (wrong or self.ranges)[0]
            raise UsageError(
                f"convolution '{name}' has a range of {largest:g}; allowed: {_SMALLEST_RANGE:g} to {_LARGEST_RANGE:g}, "
                "each convolution once; extract again"
            )

    @property
    def weights_name(self) -> str:
        """The weights as a person would call them: a published set's or a file's name, without its folder."""
        kind, _, rest = self.weights.partition(":")
        return self.weights if kind == "random" else rest.rpartition("/")[2]

    @property
    def untrained(self) -> bool:
        """Whether the weights are random numbers."""
        return self.weights.startswith("random:")


@dataclass(frozen=True)
class EmbeddingSpec:
    """One column of vectors: an encoder, a layer of it, a pool over that layer's map.

    Attributes:
        encoder: see EncoderSpec; ImportedEncoder where the vectors were made elsewhere.
        layer: the layer's name in the network; of imported vectors the name that they were given.
        pool: its canonical name, ``gap``, ``gem:3``; see parse_pool. Empty where the vectors were imported.
        dims: numbers in a vector.
        dtype: as stored: ``float32`` or ``float16``.
        derived: what was done to the vectors since; None = they are as the encoder made them.
    """

    encoder: EncoderSpec | ImportedEncoder
    layer: str
    pool: str
    dims: int
    dtype: str = "float32"
    derived: Derivation | None = None

    @property
    def name(self) -> str:
        """The column's name: ``layer4.gap``, ``features.avg3``; ``clip``; ``layer4.gap.center.pca256``."""
        name = f"{self.layer}.{self.pool.replace(':', '')}" if self.pool else self.layer
        return f"{name}.{self.derived.suffix}" if self.derived else name

    @property
    def before(self) -> EmbeddingSpec:
        """What a derived embedding was derived from; of another it is that itself."""
        derived = self.derived
        return replace(self, dims=derived.dims, dtype=derived.dtype, derived=None) if derived else self

    @property
    def computed_by(self) -> EncoderSpec:
        """The encoder, for embedding more images as these were.

        Raises:
            UsageError: the vectors were imported, so that there is none.
        """
        if isinstance(self.encoder, EncoderSpec):
            return self.encoder
        raise UsageError(
            f"embedding '{self.name}' was {self.encoder.sentence}: an image can only be embedded by the encoder that "
            "made it; search by id:N, path:P or a vector, and extract into another store"
        )

    @property
    def fingerprint(self) -> str:
        """Equal exactly when vectors may be compared: a digest of every field but the files that they came from."""
        return fingerprint_of(self)

    def as_json(self) -> dict[str, Any]:
        """Plain data for a manifest; nothing about steps where there are none."""
        data = asdict(self)
        return data if self.derived else {name: value for name, value in data.items() if name != "derived"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EmbeddingSpec:
        """The inverse of as_json; fields of later versions are ignored."""
        derived = data.get("derived")
        parts = {
            "encoder": _encoder_from_json(dict(data["encoder"])),
            "derived": Derivation(**_known(Derivation, derived)) if derived else None,
        }
        return cls(**_known(cls, dict(data) | parts))


def _encoder_from_json(encoder: dict[str, Any]) -> EncoderSpec | ImportedEncoder:
    if "imported_from" in encoder:
        return ImportedEncoder(**_known(ImportedEncoder, encoder))
    preprocess = dict(encoder["preprocess"])
    preprocess["mean"] = tuple(preprocess["mean"])
    preprocess["std"] = tuple(preprocess["std"])
    encoder["preprocess"] = Preprocess(**_known(Preprocess, preprocess))
    encoder["ranges"] = tuple((str(name), float(largest)) for name, largest in encoder.get("ranges", ()))
    return EncoderSpec(**_known(EncoderSpec, encoder))


def _known(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    return {name: value for name, value in data.items() if name in names}


def fingerprint_of(spec: EmbeddingSpec) -> str:
    """First 16 hex digits of the SHA-256 of the spec's canonical JSON."""
    data = spec.as_json()
    if isinstance(spec.encoder, ImportedEncoder):
        data["encoder"] = {"model": spec.encoder.model}  # two files of one encoder's vectors may be compared
    else:
        del data["encoder"]["weights"]  # the digest names the weights; the file may move
        if not spec.encoder.ranges:
            del data["encoder"]["ranges"]  # fingerprints from before there were any stay the same
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]
