"""What ``bignet extract`` shows while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.cli.console import Bar, counted, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.cli.console import Notices
    from bignet.extractor.encoder import Encoder
    from bignet.extractor.plan import Plan
    from bignet.extractor.prove import Proof
    from bignet.extractor.sources import Scan

LEFT = "left for a run without --limit"
_PASSED_OVER = {"hidden": "hidden", "linked_folders": "linked folder(s)", "stores": "BigNet store(s)"}


class Screen:
    """Shows an extraction while it runs."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._bar = Bar(notices, "embedding", "img")

    def scanned(self, found: Scan, work: Plan) -> None:
        """How much there is to do."""
        removed = sum(map(len, work.gone.values())) + len(work.gone_rejected)
        parts = [f"{grouped(len(work.pending))} to do", f"{grouped(work.unchanged)} unchanged"]
        parts += [f"{grouped(work.left)} {LEFT}"] if work.left else []
        gone = f"; {grouped(removed)} no longer there" if removed else ""
        self._notices.note(f"{counted(len(found.entries), 'file')}: {', '.join(parts)}{gone}")
        passed = [f"{number:,} {_PASSED_OVER[kind]}" for kind, number in found.skipped.items() if number]
        if passed:
            self._notices.note(f"passed over: {', '.join(passed)}")

    def trying(self, n_images: int) -> None:
        """Why nothing is embedded yet."""
        self._notices.note(f"trying what is faster, and as exact, on {counted(n_images, 'image')} ...")

    def encoder_ready(self, encoder: Encoder, proofs: Sequence[Proof], on_record: str | None) -> None:
        """What will be done."""
        spec = encoder.spec
        what = ", ".join(f"{head.spec.name} {grouped(head.spec.dims)} dims" for head in encoder.heads)
        proved = f" ({on_record})" if on_record else ""
        self._notices.note(f"{spec.model} · {spec.weights_name} · {what} · {encoder.device} {spec.precision}{proved}")
        if spec.untrained:
            self._notices.note("note: the weights are random: the network is untrained, its neighbours mean little")
        for proof in proofs:
            if not (proof.holds and proof.used):
                self._notices.note(_doubt(proof))
        for head in encoder.heads:
            if head.coverage < 1:
                share = f"{head.coverage:.0%} of the map"
                self._notices.note(f"note: {head.spec.name} uses {share}; its window does not divide the map's side")
        self._bar.begin()

    def advanced(self, n_done: int, n_total: int) -> None:
        """How far it is."""
        self._bar.advanced(n_done, n_total)

    def close(self) -> None:
        """Take the progress bar away."""
        self._bar.close()


def _doubt(proof: Proof) -> str:
    if not proof.n_images:
        return f"note: {proof.way} could not be tried: no image of the sample can be decoded"
    if proof.holds:
        return f"note: {proof}, but only {proof.speedup:.2f} times as fast as without: not used"
    what = "used because it was asked for" if proof.used else "not used"
    return f"note: {proof}, below {proof.needed}: {what}"
