"""The fastest form of a network that still gives its own vectors: fused where it can be, with hooks where it cannot."""

from __future__ import annotations

import copy
import queue
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from bignet.errors import UsageError, is_out_of_memory
from bignet.extractor import direct, fusion, graph, int8, joined, machine, max_pool, onednn, tail, taps, winograd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Pools = Mapping[str, Sequence[Callable[[Tensor], Tensor]]]
    Network = Callable[[Tensor], Sequence[Tensor]]

# int8 is bf16 but for the convolutions that are named.
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.bfloat16}
# The fused form may differ from the plain one by rounding, not by more.
_RELATIVE = 1e-3


@dataclass(frozen=True)
class Plain:
    """A network as its author wrote it, and what it gives for one input.

    Attributes:
        model: in eval mode, fp32, on the CPU.
        pools: layer -> functions of its output that return no view of it.
        sample: (1, 3, H, W) float32.
        vectors: (1, dims) float32 each, in the order of ``pools``: what ``sample`` gives through hooks.
    """

    model: nn.Module
    pools: Pools
    sample: Tensor
    vectors: Sequence[Tensor]

    def sample_in(self, dtype: torch.dtype) -> Tensor:
        """The sample as a network in that type wants it."""
        return self.sample.to(dtype=dtype, memory_format=torch.channels_last)


def prepare(plain: Plain, precision: str, device: torch.device, ranges: Mapping[str, float] | None = None) -> Network:
    """A function (N, 3, H, W) -> (N, dims) float32 each, in the order of ``plain.pools``.

    Its input is to be on ``device``, in the type of ``precision``, channels last. Every form is held against
    ``plain.vectors`` in fp32 before it, or the same in other arithmetic, is taken.

    Raises:
        MismatchError: a convolution of ``ranges`` (see EncoderSpec) is not there.
        UsageError: the network cannot be computed so.
    """
    dtype, ranges = TYPES[precision], ranges or {}
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # torch's default would make fp32 convolutions ten bits short
    module = _followed(plain)
    if module is None:
        int8.check_all_there(ranges, ())
        return _hooked(plain, precision, device)
    if device.type == "cpu" and dtype is not torch.float16 and _has_onednn():
        packed = _packed(module, plain, dtype, ranges, with_kernels=dtype is torch.float32)
        if packed is None and dtype is torch.float32:
            packed = _packed(folded(plain), plain, dtype, ranges, with_kernels=False)
        if packed is not None:
            part_size = machine.batch_size_for(device, plain.sample[0, 0].numel())
            return tail.split(packed, part_size, plain.sample_in(dtype))
        module = folded(plain)  # that one was packed half-way
    int8.imitate(module, int8.sources(module, ranges))
    _move(module, dtype, device)
    return _tried(module, plain, precision, device)


def can_be_followed(plain: Plain) -> bool:
    """Whether the network's graph gives what the network gives."""
    return _followed(plain) is not None


def _followed(plain: Plain) -> fx.GraphModule | None:
    """The network's graph, see ``folded``; None if there is none, or it gives something else."""
    try:
        module = folded(plain)
    except graph.Untraceable:
        return None
    return module if _same(module, plain) else None


def folded(plain: Plain) -> fx.GraphModule:
    """The network's graph in fp32 on the CPU, batch norms inside convolutions, filters with their channels last.

    Raises:
        Untraceable: see graph.trace.
    """
    module = graph.trace(plain.model, plain.pools)
    fusion.fold_batch_norms(module)
    _move(module, torch.float32, torch.device("cpu"))
    return module


def _tried(network: Network, plain: Plain, precision: str, device: torch.device) -> Network:
    """A network that took a picture in that arithmetic.

    Raises:
        UsageError: it does not, for a reason of its own.
    """
    try:
        with torch.inference_mode():
            _call_of(network)(plain.sample_in(TYPES[precision]).to(device))
    except Exception as error:  # whatever a network's own code raises
        if is_out_of_memory(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        text = f"the model cannot be computed in {precision} on {device} ({reason})"
        raise UsageError(f"{text}; give another --precision or --device") from error
    return network


def _has_onednn() -> bool:
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call] # torch's stubs leave it out


def _packed(
    module: fx.GraphModule, plain: Plain, dtype: torch.dtype, ranges: Mapping[str, float], *, with_kernels: bool
) -> fx.GraphModule | None:
    """A folded graph -> with BigNet's kernels or oneDNN's; None if they refuse, or in fp32 give something else."""
    if ranges and not machine.has_int8(torch.device("cpu")):
        return None
    make = _maker(int8.sources(module, ranges), with_kernels=with_kernels)
    try:
        pack(module, plain, dtype, make)
        if with_kernels:
            max_pool.put_in(module)
            joined.put_in(module)
        int8.link(module)
        if ranges:
            with torch.inference_mode():
                module(plain.sample_in(dtype))  # whether oneDNN takes these integers shows only here
    except (RuntimeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        return None  # operators that torch keeps to itself: another version may lack them
    return module if dtype is not torch.float32 or _same(module, plain) else None


def _maker(chosen: Mapping[str, int8.Source], *, with_kernels: bool) -> Callable[[nn.Conv2d, onednn.Site], nn.Module]:
    """What a convolution becomes, where some are to be in 8 bits."""

    def make(convolution: nn.Conv2d, site: onednn.Site) -> nn.Module:
        if site.name in chosen:
            return int8.Convolution(chosen[site.name], site)
        if with_kernels and winograd.suits(convolution):
            return winograd.Convolution(convolution, site)
        if with_kernels and direct.suits(convolution, site):
            return direct.Convolution(convolution, site)
        return onednn.Packed(convolution, site)

    return make


def pack(
    module: fx.GraphModule, plain: Plain, dtype: torch.dtype, make: Callable[[nn.Conv2d, onednn.Site], nn.Module]
) -> None:
    """A folded graph -> with oneDNN's convolutions, in ``dtype``; see fusion.pack."""
    _move(module, dtype, torch.device("cpu"))
    fusion.pack(module, plain.sample_in(dtype), make)


def _hooked(plain: Plain, precision: str, device: torch.device) -> Network:
    """The network as it is, its layers watched by hooks, in an order of memory in which it gives what it gave.

    Its own code may ask for channels first, or see what was overwritten through a view that channels last do not have.

    Raises:
        UsageError: it gives something else in both, or cannot be computed in that precision.
    """
    cpu = torch.device("cpu")
    calls = taps.calls(plain.model, list(plain.pools), plain.sample)
    for order in (torch.channels_last, torch.contiguous_format):
        run = _Watched(_moved_copy(plain.model, torch.float32, cpu, order), plain.pools, calls, order)
        if not _same(run, plain):
            continue
        if (precision, device) == ("fp32", cpu):
            return run
        other = _Watched(_moved_copy(plain.model, TYPES[precision], device, order), plain.pools, calls, order)
        return _tried(other, plain, precision, device)
    if not all(bool(vector.isfinite().all()) for vector in plain.vectors):
        raise UsageError("the model gives numbers that are not finite; look for NaN and infinity in its weights")
    raise UsageError(
        "a copy of the model gives other vectors than the model itself, so nothing it gives can be relied on; "
        "look for what is shared or counted between calls"
    )


def _moved_copy(model: nn.Module, dtype: torch.dtype, device: torch.device, order: torch.memory_format) -> nn.Module:
    copied = copy.deepcopy(model)
    _move(copied, dtype, device, order)
    return copied


class _Watched:
    """A copy of a network for each thread, since hooks hear every call; batches come in the order of memory given."""

    def __init__(self, model: nn.Module, pools: Pools, calls: Mapping[str, int], order: torch.memory_format) -> None:
        self._first, self._pools, self._calls, self._order = model, pools, calls, order
        self._idle: queue.SimpleQueue[nn.Module] = queue.SimpleQueue()

    def __call__(self, batch: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> (N, dims) each."""
        batch = batch.contiguous(memory_format=self._order)
        try:
            model = self._idle.get_nowait()
        except queue.Empty:
            model = graph.with_own_modules(self._first)
        try:
            return _pooled(model, batch, self._pools, self._calls)
        finally:
            self._idle.put(model)


def _pooled(model: nn.Module, batch: Tensor, pools: Pools, calls: Mapping[str, int]) -> list[Tensor]:
    pooled: dict[str, list[Tensor]] = {}

    def watch(layer: str) -> taps.OnOutput:
        def on_output(output: Tensor) -> None:
            pooled[layer] = [pool(output) for pool in pools[layer]]

        return on_output

    taps.run(model, batch, {layer: watch(layer) for layer in pools}, calls)
    return [vectors for layer in pools for vectors in pooled[layer]]


def _move(
    model: nn.Module, dtype: torch.dtype, device: torch.device, order: torch.memory_format = torch.channels_last
) -> None:
    """New parameters in place of the old ones, which others may share; batch norms keep theirs in fp32.

    What its author left in a type of its own stays so.
    """
    for module in model.modules():
        target = torch.float32 if isinstance(module, nn.BatchNorm2d) else dtype
        tables: list[dict[str, Any]] = [module._parameters, module._buffers]  # noqa: SLF001 - replaced, not written into
        for table in tables:
            for name, value in table.items():
                if value is not None:
                    table[name] = _placed(value, target, device, order)


def _placed(value: Tensor, dtype: torch.dtype, device: torch.device, order: torch.memory_format) -> Tensor:
    dtype = dtype if value.dtype is torch.float32 else value.dtype
    layout = order if value.ndim == 4 else torch.preserve_format  # (out, in, H, W) filters
    moved = value.detach().to(device, dtype, memory_format=layout)
    return nn.Parameter(moved, requires_grad=False) if isinstance(value, nn.Parameter) else moved


def _same(network: Network, plain: Plain) -> bool:
    """Whether a network in fp32 on the CPU gives what the plain one gave."""
    try:
        with torch.inference_mode():
            found = _call_of(network)(plain.sample_in(torch.float32))
    except Exception as error:  # whatever a network's own code raises
        if is_out_of_memory(error):
            raise
        return False
    return all(_close(ours, theirs) for ours, theirs in zip(found, plain.vectors, strict=True))


def _call_of(network: Network) -> Network:
    """Without what a graph prints when its call fails."""
    return network.forward if isinstance(network, fx.GraphModule) else network


def _close(ours: Tensor, theirs: Tensor) -> bool:
    if ours.shape != theirs.shape:
        return False
    room = _RELATIVE * float(theirs.abs().max())
    return bool(((ours.float() - theirs).abs() <= room).all())
