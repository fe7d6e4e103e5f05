"""timm's models: ``timm/resnet18``, ``timm/resnet18.a1_in1k``; what they want to see, and where their weights are.

timm takes seconds to import and is an extra: it is imported when a model of it is asked for.
"""

from __future__ import annotations

import math
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from bignet.errors import IntegrityError, UsageError, nearest
from bignet.files import sha256_of
from bignet.spec import Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

PREFIX = "timm/"
_FILES = ("model.safetensors", "pytorch_model.bin")  # of a repository, the first one there
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """Published weights on Hugging Face's hub.

    Attributes:
        name: ``resnet18.a1_in1k``.
        repository: ``timm/resnet18.a1_in1k``.
        files: names to look for, the first one there counts.
    """

    name: str
    repository: str
    files: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where a person can fetch it."""
        return f"https://huggingface.co/{self.repository}/resolve/main/{self.files[0]}"


def names(*, published: bool = False) -> list[str]:
    """Every timm model as ``timm/NAME``; ``published``: every set of weights as ``timm/NAME.TAG``."""
    timm = _timm()
    found = timm.list_pretrained() if published else timm.list_models()
    return [f"{PREFIX}{name}" for name in found]


def config(name: str) -> dict[str, Any]:
    """What timm says of ``timm/NAME`` or ``timm/NAME.TAG``.

    Raises:
        UsageError: no such model or no such tag; the message gives the nearest names.
    """
    timm = _timm()
    wanted = name.removeprefix(PREFIX)
    base, dot, _ = wanted.partition(".")
    if not timm.is_model(base):
        close = nearest(name, names())
        raise UsageError(f"model '{name}' is unknown; nearest: {close}; all of them: bignet models --timm")
    tags = timm.list_pretrained(f"{base}.*")
    if dot and wanted not in tags:
        close = nearest(name, [f"{PREFIX}{tag}" for tag in tags or [base]])
        raise UsageError(f"model '{name}' is unknown: timm has no such weights of {base}; nearest: {close}")
    found: dict[str, Any] = timm.models.get_pretrained_cfg(wanted).to_dict()
    return found


def preprocess(described: dict[str, Any]) -> Preprocess:
    """What a timm model's published weights were tested with.

    timm's ``border`` is cut as ``crop``, and its rarer filters become bicubic.

    Raises:
        UsageError: it takes no square RGB images.
    """
    wanted = _timm().data.resolve_data_config(pretrained_cfg=described)
    channels, height, width = wanted["input_size"]
    if channels != 3 or height != width:
        size = f"{channels} x {height} x {width}"
        raise UsageError(
            f"model '{PREFIX}{described['architecture']}' takes {size} images; only square RGB ones are made"
        )
    return Preprocess(
        resize=math.floor(height / wanted["crop_pct"]),
        crop=height,
        interpolation="bilinear" if wanted["interpolation"] == "bilinear" else "bicubic",
        mean=tuple(wanted["mean"]),
        std=tuple(wanted["std"]),
        mode="squash" if wanted["crop_mode"] == "squash" else "crop",
    )


def published(described: dict[str, Any]) -> HubFile | None:
    """Where the weights of a timm model are; None if nobody published any."""
    repository, tag = described.get("hf_hub_id"), described.get("tag")
    if not repository:
        return None
    name = f"{described['architecture']}.{tag}" if tag else described["architecture"]
    file = described.get("hf_hub_filename")
    return HubFile(name, str(repository), (file,) if file else _FILES)


def build(name: str) -> nn.Module:
    """The network with fresh random parameters."""
    with _silent():
        return _timm().create_model(name.removeprefix(PREFIX), pretrained=False)  # type: ignore[no-any-return] # timm's are Any


def filled(name: str, state: dict[str, Tensor]) -> nn.Module:
    """The network with these parameters, renamed as timm does for files that come from elsewhere.

    Raises:
        RuntimeError: they do not fit, in torch's words.
    """
    with _silent():
        return _timm().create_model(  # type: ignore[no-any-return] # timm's are Any
            name.removeprefix(PREFIX),
            pretrained=True,
            pretrained_cfg_overlay={"state_dict": state, "custom_load": False},
        )


def cached(file: HubFile) -> Path | None:
    """The published file in Hugging Face's cache, None if it is not there."""
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(file.repository, name) for name in file.files)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def fetched(file: HubFile) -> Path:
    """The published file, from Hugging Face's cache or downloaded into it; its digest is checked either way.

    Raises:
        UsageError: neither; the message names the file and what else can be done.
        IntegrityError: the file in the cache is not the one its name there says.
    """
    path = cached(file) or _downloaded(file)
    wanted = path.resolve().name  # the cache calls a large file by its SHA-256
    if _SHA256.fullmatch(wanted) and sha256_of(path) != wanted:
        raise IntegrityError(f"weights {path} do not have SHA-256 {wanted[:8]}..., the published one; delete the file")
    return path


def _downloaded(file: HubFile) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        head = Request(file.url, method="HEAD")  # noqa: S310 - the address is ours
        urlopen(head, timeout=10).close()  # noqa: S310 - the hub's client would try again and again for half a minute
        with _silent():
            return Path(hf_hub_download(file.repository, file.files[0]))
    except Exception as error:  # the hub's client raises nearly anything, depending on what answers
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UsageError(
            f"weights {file.name} are not in Hugging Face's cache and cannot be downloaded ({reason}); "
            f"fetch {file.url} elsewhere and give it with --weights FILE, or take random:SEED"
        ) from None


def _timm() -> Any:
    try:
        with _silent():
            import timm
    except ImportError:
        raise UsageError("models named timm/... need the extra 'timm': pip install 'bignet[timm]'") from None
    return timm


@contextmanager
def _silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names of models that changed, and about who is logged in
        yield
