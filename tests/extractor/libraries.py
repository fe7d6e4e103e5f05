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
    flags = ["-g", "-O1", "-std=gnu11", "-Wno-psabi", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    checked = [COMPILER, *flags, "-o", str(folder / "accesses")]
    if _fails([*checked, "-xc", "-"], input=b"int main(void) { return 0; }"):
        pytest.skip("the compiler cannot check accesses")
    widths, source = [f"-DLANES={lanes}", f"-DROWS={rows}"], f'-DSOURCE="{SOURCES / name}.c"'
    subprocess.run([*checked, *widths, source, str(Path(__file__).with_name(program))], check=True)
    done = subprocess.run([str(folder / "accesses")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _fails(command, **given):
    return subprocess.run(command, capture_output=True, check=False, **given).returncode != 0
