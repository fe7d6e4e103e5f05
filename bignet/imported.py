"""What is known of vectors that were not computed here."""

from __future__ import annotations

from dataclasses import dataclass

from bignet.errors import UsageError

LONGEST_MODEL = 200


@dataclass(frozen=True)
class ImportedEncoder:
    """What made vectors that were imported, as far as that was told; nothing here can make more of them.

    Attributes:
        model: in a person's words, ``CLIP ViT-B/32``; empty if it was not told.
        imported_from: name of the file that the vectors were in, without its folder.
        sha256: digest of all that was imported: that file, those beside it, and how they were read.

    Raises:
        UsageError: a model that is no line of text.
    """

    model: str
    imported_from: str
    sha256: str

    def __post_init__(self) -> None:
        if len(self.model) > LONGEST_MODEL or not self.model.isprintable():
            raise UsageError(
                f"encoder {self.model[:LONGEST_MODEL]!r} cannot be; allowed: one line of at most {LONGEST_MODEL} "
                "printable characters, such as 'CLIP ViT-B/32'"
            )

    @property
    def sentence(self) -> str:
        """``imported from clip.npy (CLIP ViT-B/32)``."""
        return f"imported from {self.imported_from}{f' ({self.model})' if self.model else ''}"
