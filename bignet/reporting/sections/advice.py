"""What to do about images or labels that are missing: it depends on where the vectors were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.reporting.sections import commands
from bignet.reporting.sections.parts import Advice

if TYPE_CHECKING:
    from bignet.reporting.source import ReportSource


def label_images(source: ReportSource, text: str) -> Advice:
    """How images get labels: ``text`` for a store that was extracted."""
    if source.imported:
        text = "To get scores, give the report a CSV file with the columns label and path (or id)."
        return Advice(text, commands.report_with_labels(source))
    return Advice(text, commands.extract_folder(source))


def another_layer(source: ReportSource, text: str) -> Advice:
    """How another layer is chosen: ``text`` for a store that was extracted."""
    if source.imported:
        text = "Try another layer or another encoder on the same images, and compare the two reports."
        return Advice(text, commands.import_vectors(source))
    return Advice(text, commands.list_layers(source))


def add_images(source: ReportSource, text: str) -> Advice:
    """How images get into the store: ``text`` for one that was extracted."""
    if source.imported:
        return Advice("Import the vectors of more images into a new store.", commands.import_vectors(source))
    return Advice(text, commands.extract_folder(source))
