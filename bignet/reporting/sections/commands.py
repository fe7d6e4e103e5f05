"""The commands the page offers to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.names import shell_word, text_of

if TYPE_CHECKING:
    from bignet.reporting.source import ReportSource

STRONGER = ("resnet50", "convnext_base")  # the second where the first was used already
OPEN_ATLAS = "embedding-atlas atlas.parquet --x projection_x --y projection_y --neighbors neighbors"


def show_rejected(source: ReportSource) -> str:
    """List the files that were not embedded."""
    return f"bignet info {shell_word(source.store_name)} --rejected"


def make_report(source: ReportSource) -> str:
    """Write this report again."""
    return f"bignet report {shell_word(source.store_name)} -o report"


def extract_folder(source: ReportSource) -> str:
    """Fill the store from a folder of class folders."""
    return f"bignet extract {_folder(source)} {shell_word(source.store_name)}"


def extract_stronger(source: ReportSource) -> str:
    """Embed the same images with another network, and report on that."""
    model = next(name for name in STRONGER if name not in str(source.provenance.get("model", "")))
    store = shell_word(f"{source.store_name.removesuffix('.bignet')}-{model}.bignet")
    return f"bignet extract {_folder(source)} {store} --model {model}\nbignet report {store} -o report-{model}"


def build_index(source: ReportSource) -> str:
    """Make searching fast."""
    return f"bignet index {shell_word(source.store_name)}"


def report_with_labels(source: ReportSource) -> str:
    """Write this report again with labels of one's own."""
    return f"{make_report(source)} --labels labels.csv"


def import_vectors(source: ReportSource) -> str:
    """Make another store of vectors that were computed elsewhere."""
    return f"bignet import VECTORS.npy {shell_word(f'more-{source.store_name}')}"


def search_row(source: ReportSource, row: int) -> str:
    """Draw the neighbours of one image as a picture."""
    query = f"path:{text_of(source.paths[row])}"
    return f"bignet search {shell_word(source.store_name)} {shell_word(query)} --sheet sheet.jpg"


def _folder(source: ReportSource) -> str:
    return shell_word(source.image_root.name if source.image_root else "IMAGES")


def list_layers(source: ReportSource) -> str:
    """Which layers of the model can be taken instead."""
    return f"bignet layers {shell_word(str(source.provenance.get('model') or 'MODEL'))}"
