"""Help is there for every command, shows examples, and comes without the heavy libraries."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bignet.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Outcome

COMMANDS = [command.name or "" for command in app.registered_commands]
HEAVY = ("torch", "torchvision", "faiss", "numpy", "pyarrow", "PIL", "rich")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_that_name_it(bignet_command: Callable[..., Outcome], name: str) -> None:
    shown = bignet_command(name, "--help").out

    assert shown.count(f"bignet {name}") >= 3  # the usage line and two examples
    assert bignet_command(name, "-h").out == shown


def test_the_list_of_commands_names_every_one(bignet_command: Callable[..., Outcome]) -> None:
    shown = bignet_command("--help").out

    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom bignet.cli.main import run\n"
        "for words in sys.argv[1:]:\n"
        "    try:\n        run(words.split())\n    except SystemExit:\n        pass\n"
        f"    print('after', words, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    asked = ["--help", *(f"{name} --help" for name in COMMANDS)]

    done = subprocess.run([sys.executable, "-c", script, *asked], capture_output=True, text=True, check=True)

    assert [line for line in done.stdout.splitlines() if line.startswith("after ")] == [
        f"after {it} []" for it in asked
    ]


def test_importing_bignet_imports_nothing_heavy() -> None:
    script = f"import sys, bignet\nprint([name for name in {HEAVY!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
