"""The whole examination: every check, then the two rates if nothing stands in the way."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bignet.doctor import disk, hardware, software
from bignet.doctor.check import Check, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from bignet.doctor.speed import Photos, Speed


@dataclass(frozen=True)
class Diagnosis:
    """What came of it.

    Attributes:
        checks: in the order they were made.
        speed: None if a package that it needs cannot be imported.
    """

    checks: tuple[Check, ...]
    speed: Speed | None

    @property
    def healthy(self) -> bool:
        """Whether something can be extracted."""
        return not any(check.state is State.PROBLEM for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        data: dict[str, Any] = {"healthy": self.healthy, "checks": [asdict(check) for check in self.checks]}
        if self.speed is not None:
            from bignet.doctor.speed import bottleneck

            found, advice = bottleneck(self.speed)
            data["speed"] = asdict(self.speed) | {"expected": self.speed.expected}
            data["speed"] |= {"bottleneck": found, "advice": advice}
        return data


def examine(images: str | None, model: str, on_measuring: Callable[[], None]) -> Diagnosis:
    """Look at everything, then measure.

    Args:
        images: folder or list of photos to decode; None = some are generated.
        model: the network to time, see ``bignet models``.
        on_measuring: called before the seconds in which nothing seems to happen.

    Raises:
        UsageError: no such model, no such folder, or no picture in it.
    """
    found, failed = software.tried_imports()
    checks = [*software.versions(found), *software.imports(found, failed)]
    if "torch" not in failed:
        checks += [software.openmp(hardware.read_text(Path("/proc/self/maps"))), hardware.cuda(hardware.read_cuda())]
        checks += [hardware.threads(hardware.read_threads()), software.kernels(software.installed_kernels())]
    checks += [hardware.read_bf16(), hardware.memory(hardware.read_memory()), disk.disk(disk.read_disk(Path.cwd()))]
    checks.append(software.extras(software.installed_extras()))
    if set(failed) - {"faiss"}:
        return Diagnosis(tuple(checks), None)
    photos = _photos(images)
    checks.append(_weights(model))
    on_measuring()
    return Diagnosis(tuple(checks), _speed(photos, model))


def _photos(images: str | None) -> Photos:
    from bignet.doctor.speed import generated_photos, photos_of

    return generated_photos() if images is None else photos_of(images)


def _speed(photos: Photos, model: str) -> Speed:
    from bignet.doctor.speed import measure
    from bignet.extractor import encoder, machine
    from bignet.extractor.settings import Form

    device = machine.find_device("auto")
    fastest = next(iter(machine.fast_precisions(device)), "fp32")  # what extract takes if a sample proves it
    with machine.threads_of_a_pass(device):
        built = encoder.build(model, "random:0", form=Form(precision=fastest))
    return measure(photos, built)


def _weights(model: str) -> Check:
    import torch

    from bignet.extractor import backbones

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    names = [name for name in backbones.names() if name != backbones.OFFLINE_MODEL]
    cached = software.cached_weights(folder, software.published_weights(names))
    published = backbones.find(model).published is not None
    return software.weights(model, cached, str(folder), published=published)
