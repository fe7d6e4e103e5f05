"""C kernels compiled for tests: as other processors have them, and with every access to memory checked."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bignet.extractor import native

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
SOURCES = Path(native.__file__).parent
# Lanes and rows of AVX-512, AVX2 and what is anywhere.
WIDTHS = [(16, 12), (8, 6), (4, 8)]


def compile_for(name, lanes, rows, folder):
    """The library as it is for such a processor, made of what this one has."""
    target = folder / f"{name}.so"
    flags = ["-O2", "-fPIC", "-shared", "-std=gnu11", "-Wno-psabi", f"-DLANES={lanes}", f"-DROWS={rows}"]
    subprocess.run([COMPILER, *flags, str(SOURCES / f"{name}.c"), "-o", str(target)], check=True)
    return target


def run_checked(name, program, lanes, rows, folder):
    """What a C program that includes a kernel prints; it ends at the first access to what is not its own."""
    target, source = folder / "accesses", f'-DSOURCE="{SOURCES / name}.c"'
    flags = ["-g", "-O1", "-std=gnu11", "-Wno-psabi", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    widths = [f"-DLANES={lanes}", f"-DROWS={rows}"]
    command = [COMPILER, *flags, *widths, source, str(Path(__file__).with_name(program)), "-o", str(target)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"the compiler cannot check accesses: {made.stderr[-200:]}")
    done = subprocess.run([str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
