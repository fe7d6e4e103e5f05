"""The commands that a sweep's page offers to copy; they start from the folder that the sweep lies in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.names import shell_word

if TYPE_CHECKING:
    from bignet.evaluate.sweep.result import Choice
    from bignet.reporting.sweep.source import SweepSource


def store_of(source: SweepSource, choice: Choice) -> str:
    """The store that holds a choice."""
    return shell_word(f"{source.name}/{choice.store}")


def report_on(source: SweepSource, choice: Choice) -> str:
    """Look closely at one choice."""
    return _with(source, choice, "bignet report {store} --embedding {embedding} -o report")


def search(source: SweepSource, choice: Choice) -> str:
    """Use one choice."""
    return _with(source, choice, "bignet search {store} QUERY.jpg --embedding {embedding}")


def _with(source: SweepSource, choice: Choice, command: str) -> str:
    """A command on the store of a choice; on one derived from it where the sweep applied steps."""
    store, embedding = store_of(source, choice), shell_word(choice.embedding)
    if not choice.steps:
        return command.format(store=store, embedding=embedding)
    derive = f"bignet derive {store} derived.bignet --steps {shell_word(','.join(choice.steps))}"
    return f"{derive}\n{command.format(store='derived.bignet', embedding=embedding)}"


def sweep(source: SweepSource, options: str) -> str:
    """Sweep again, with other options."""
    folder = shell_word(source.image_root.name) if source.image_root else "IMAGES"
    return f"bignet sweep {folder} -o {shell_word(source.name)} {options}".rstrip()


def layers(model: str) -> str:
    """Which layers there are to sweep."""
    return f"bignet layers {shell_word(model)}"
