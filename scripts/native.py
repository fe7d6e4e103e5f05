"""Compiles the C kernels while BigNet is installed. Without a compiler it is installed without them, and slower."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCES = Path("bignet", "extractor", "native")
_FLAGS = ("-O3", "-fPIC", "-shared", "-std=gnu11")
# What bignet/extractor/native/__init__.py chooses from.
_VARIANTS = {"avx512": ("-mavx512f", "-mavx512vl", "-mfma"), "avx2": ("-mavx2", "-mfma"), "any": ()}
_OF_X86 = ("avx512", "avx2")
# Against oneDNN it was measured with AVX2 alone.
_OF_DIRECT = ("avx2",)


class NativeHook(BuildHookInterface):  # type: ignore[type-arg] # its configuration is not looked at
    """Puts shared libraries beside their sources, and into the wheel."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before the wheel is put together, for an editable installation too."""
        folder = Path(self.root) / _SOURCES
        compilers = _compilers()
        if not compilers:
            self.app.display_warning("no C compiler found (CC, cc, gcc, clang): convolutions will be slower")
        for source in sorted(folder.glob("*.c")):
            for variant in _variants_of(source.stem):
                self._compile(compilers, source, variant)
        built = sorted(folder.glob("*.so"))  # those of an earlier build too: what is not of these sources is not loaded
        if built:
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
            build_data["artifacts"] += [f"/{path.relative_to(self.root).as_posix()}" for path in built]

    def _compile(self, compilers: list[list[str]], source: Path, variant: str) -> None:
        """By the first compiler that can; the library appears whole or not at all."""
        target, trouble = source.with_name(f"{source.stem}-{variant}.so"), ""
        made_of = f'-DMADE_OF="{_digest(source)}"'
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, target.name)
            for compiler in compilers:
                command = [*compiler, *_FLAGS, *_VARIANTS[variant], made_of, str(source), "-o", str(made)]
                trouble = _run(command)
                if not trouble:
                    trouble = _published(made, target)
                    break
        if trouble:
            self.app.display_warning(f"{source.name} was not compiled for {variant}: {trouble[:500]}")


def _run(command: list[str]) -> str:
    """What went wrong; nothing if nothing did."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"{command[0]} ended with {done.returncode}"


def _published(made: Path, target: Path) -> str:
    """The same, of putting it where it belongs."""
    beside = target.with_suffix(".new")
    try:
        shutil.copyfile(made, beside)
        beside.replace(target)
    except OSError as error:
        return str(error)
    return ""


def _variants_of(name: str) -> tuple[str, ...]:
    wanted = _OF_X86 if platform.machine() in ("x86_64", "AMD64") else ("any",)
    return tuple(each for each in wanted if name != "direct" or each in _OF_DIRECT)


def _digest(source: Path) -> str:
    """As bignet/extractor/native/__init__.py computes it, which cannot be imported here."""
    parts = [source, source.with_name("vectors.h")]
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]


def _compilers() -> list[list[str]]:
    """Commands to try, that of the environment first."""
    named = shlex.split(os.environ.get("CC", ""))
    wanted = [named] if named else []
    return [command for command in (*wanted, ["cc"], ["gcc"], ["clang"]) if shutil.which(command[0])]
