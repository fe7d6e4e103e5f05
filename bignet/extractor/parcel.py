"""What became of a file, as bytes for a pipe: a line of JSON, then the pixels. Nothing in it is executed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from bignet.extractor.outcomes import Decoded, Outcome, Refused
from bignet.images import Reason

if TYPE_CHECKING:
    from bignet.extractor.sources import Entry


def packed(outcome: Outcome) -> bytes:
    """An outcome -> its bytes, without the entry."""
    fields: dict[str, Any] = {name: value for name, value in vars(outcome).items() if name not in ("entry", "square")}
    if outcome.sha256 is not None:
        fields["sha256"] = outcome.sha256.hex()
    pixels = b""
    if isinstance(outcome, Decoded):
        rows = outcome.square.permute(0, 2, 3, 1).contiguous()  # as they lie in memory already
        fields["shape"], pixels = list(rows.shape), rows.numpy().tobytes()
    return json.dumps(fields).encode() + b"\n" + pixels


def unpacked(entry: Entry, data: bytes) -> Decoded | Refused:
    """The inverse, for the file that it is about."""
    head, _, pixels = data.partition(b"\n")
    fields = json.loads(head)
    sha256 = bytes.fromhex(fields.pop("sha256") or "") or None
    if sha256 is None or "reason" in fields:
        return Refused(entry, Reason(fields["reason"]), fields["detail"], sha256)
    rows = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(fields.pop("shape"))
    return Decoded(entry, sha256, **fields, square=rows.permute(0, 3, 1, 2))
