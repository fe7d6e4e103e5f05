"""Compiles the loops in C while BigNet is installed. Without a compiler it is installed without them, and slower."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sysconfig
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
        for old in folder.glob("*.so"):
            old.unlink()
        compiler = _compiler()
        if compiler is None:
            self.app.display_warning("no C compiler found (CC, cc, gcc): convolutions will be up to half as fast")
            return
        built = [each for source in sorted(folder.glob("*.c")) for each in self._compile(compiler, source)]
        if built:
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
            build_data["artifacts"] += [f"/{path.relative_to(self.root).as_posix()}" for path in built]

    def _compile(self, compiler: str, source: Path) -> list[Path]:
        wanted = _OF_X86 if platform.machine() in ("x86_64", "AMD64") else ("any",)
        built = []
        for name in wanted:
            if source.stem == "direct" and name not in _OF_DIRECT:
                continue
            target = source.with_name(f"{source.stem}-{name}.so")
            command = [compiler, *_FLAGS, *_VARIANTS[name], str(source), "-o", str(target)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                built.append(target)
            else:
                self.app.display_warning(f"{source.name} was not compiled for {name}: {done.stderr.strip()[:500]}")
        return built


def _compiler() -> str | None:
    named = os.environ.get("CC", "").split()
    return next((found for name in (*named[:1], "cc", "gcc", "clang") if (found := shutil.which(name))), None)
