"""Direct convolutions in float32, their results in registers to the end; the kernel is ``native/direct.c``."""

from __future__ import annotations

import ctypes
import math
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from bignet.extractor import kernels, native

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bignet.extractor.onednn import Site

# Multiplications that a pixel of the result must need for finding what it reads to be the smaller part.
_FEWEST_PRODUCTS = 4096
# Channels of the result computed in vain, at most, as a share.
_MOST_IN_VAIN = 0.1


class _Convolution(ctypes.Structure):
    """The structure of that name in direct.c."""

    _fields_ = kernels.fields(
        ("input", "filters", "bias", "output"),
        (
            *("rows", "columns", "channels_in", "pad_rows", "pad_columns", "taps_down", "taps_across", "stride_down"),
            *("stride_across", "rows_out", "columns_out", "channels_out", "apart", "activation", "add"),
        ),
    )


def suits(convolution: nn.Conv2d, site: Site) -> bool:
    """Whether ``Convolution`` can take its place, and is there."""
    library = native.load("direct")
    if library is None:
        return False
    n_out, taps = convolution.out_channels, convolution.kernel_size
    plain = convolution.dilation == (1, 1) and convolution.groups == 1 and taps[0] <= library.largest_taps()
    known = plain and convolution.weight.dtype is torch.float32 and kernels.is_fused(site.activation)
    whole = n_out % library.lanes() == 0 and -n_out % library.panel() <= _MOST_IN_VAIN * n_out
    pays = site.is_joined or math.prod(taps) * convolution.in_channels * n_out >= _FEWEST_PRODUCTS
    return known and whole and pays


class Convolution(kernels.Convolution):
    """A convolution that ``suits``."""

    def __init__(self, convolution: nn.Conv2d, site: Site) -> None:
        super().__init__(convolution, site)
        panel = kernels.library("direct").panel()
        weight = convolution.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)
        missing = (0, -weight.shape[1] % panel)
        self._n_products = len(weight)
        self._filters = F.pad(weight, missing).reshape(len(weight), -1, panel).transpose(0, 1).contiguous()
        self._padded_bias = F.pad(self._bias, missing)

    def _convolve(self, batch: Tensor, result: Tensor, ending: tuple[int, int, int]) -> None:
        library = kernels.library("direct")
        pointers = (each.data_ptr() for each in (batch, self._filters, self._padded_bias, result))
        sizes = (*batch.shape[2:], batch.shape[1], *self._padding, *self._taps, *self._stride)
        work = _Convolution(*pointers, *sizes, *result.shape[2:], result.shape[1], *ending)
        n_pixels, block = len(batch) * math.prod(result.shape[2:]), library.block()
        kernels.in_parallel(partial(library.convolve, ctypes.byref(work)), n_pixels, block, block * self._n_products)
