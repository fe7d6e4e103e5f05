"""Torchvision is imported without torch's compiler, and nobody who wants that one misses it."""

import subprocess
import sys

import pytest

HEAVY = ("torch._dynamo", "torch._inductor", "sympy")
BOXES = "torch.ones(1, 1, 4, 4), torch.tensor([[0.0, 0, 0, 4, 4]]), 2"


def loaded_after(code):
    text = f"import sys, torch\n{code}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_neither_decoding_nor_networks_load_the_compiler():
    assert loaded_after("from bignet.extractor import backbones, decode, encoder") == []


@pytest.mark.parametrize(
    "code",
    [
        "from torch._dynamo.utils import is_compile_supported, counters",
        f"import torchvision\nassert torchvision.ops.roi_align({BOXES}).shape == (1, 1, 2, 2)",
        "assert isinstance(sys.modules['torchvision.ops.roi_align'].is_compile_supported('cpu'), bool)",
    ],
    ids=["by name", "by the operator", "by what the operator asks"],
)
def test_who_wants_the_compiler_gets_it(code):
    assert "torch._dynamo" in loaded_after(f"import bignet.extractor.vision\n{code}\nimport torch._dynamo.utils")


def test_torchvision_that_was_there_before_stays_as_it_is():
    code = "import torchvision as before\nfrom bignet.extractor.vision import torchvision\nassert before is torchvision"
    loaded_after(code)
