"""What a test needs of the machine."""

import pytest
import torch

from bignet.extractor import machine

needs_vnni = pytest.mark.skipif(
    not machine.has_int8(torch.device("cpu")), reason="this processor does not multiply bytes"
)
