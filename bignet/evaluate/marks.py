"""Marks that a person made on the page -> the share of wrong neighbours that they find plausible."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.intervals import wilson
from bignet.evaluate.result import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bignet.evaluate.result import Evaluation

KIND = "bignet.marks"
SCHEMA_VERSION = 1
VERDICTS = ("plausible", "implausible", "wrong label")
LEVEL = 0.95
ALLOWED = "the marks.json that a report's page exports"


@dataclass(frozen=True)
class Marks:
    """What was marked, and in which report.

    Attributes:
        fingerprint: the gallery's, see ``Evaluation.gallery_fingerprint``.
        origin: names and fingerprints of the store and embedding that were looked at.
        verdict: of each pair of query id and neighbour id, one of VERDICTS.
    """

    fingerprint: str
    origin: Mapping[str, str]
    verdict: Mapping[tuple[int, int], str]

    @classmethod
    def read(cls, file: Path) -> Marks:
        """The page's export.

        Raises:
            UsageError: no such file, or one of another kind.
        """
        record = _record(file)
        try:
            pairs = {(int(item["query"]["id"]), int(item["neighbour"]["id"])): item["mark"] for item in record["marks"]}
            unknown = sorted({str(mark) for mark in pairs.values()} - set(VERDICTS))
            if unknown:
                raise UsageError(f"marks '{file}' hold the mark '{unknown[0]}'; allowed are {', '.join(VERDICTS)}")
            origin = {name: value for name, value in record.items() if isinstance(value, str) and name != "kind"}
            return cls(record["fingerprint"], origin, pairs)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"marks '{file}' cannot be read ({error!r}); give {ALLOWED}") from None

    def check_origin(self, origin: Mapping[str, str]) -> None:
        """Whether they are about a store and an embedding; only what both sides know is compared.

        Args:
            origin: ``embedding``, ``embedding_fingerprint``, ``store_uuid``, and ``store``, the name, which counts
                only for marks without a uuid: a store may be renamed.

        Raises:
            MismatchError: they are of another store or embedding; the message names both sides.
        """
        for name in [name for name in origin if name in self.origin]:
            passed_over = name == "store" and "store_uuid" in self.origin
            if self.origin[name] != origin[name] and not passed_over:
                what = "embedding" if name.startswith("embedding") else "store"
                raise MismatchError(
                    f"the marks are of another {what}: theirs is {_named(self.origin, what, name)}, this one's "
                    f"{_named(origin, what, name)}; give the marks that were made on this store and embedding"
                )

    def check_images(self, evaluation: Evaluation) -> None:
        """Whether they were made on the images evaluated.

        Raises:
            MismatchError: other ids were in the report that was marked.
        """
        ids = set(evaluation.ids.tolist())
        strange = [row_id for pair in self.verdict for row_id in pair if row_id not in ids]
        if self.fingerprint != evaluation.gallery_fingerprint or strange:
            raise MismatchError(
                "the marks were made on other images than the store holds now (fingerprints of their ids: "
                f"{self.fingerprint[:12]} and {evaluation.gallery_fingerprint[:12]}); mark neighbours in a new report"
            )

    def metric(self, evaluation: Evaluation) -> Metric:
        """``human_plausible``: of the mistakes that were judged, the share marked plausible; Wilson's interval.

        A neighbour with the query's label is no mistake, and a wrong label is none of the embedding's; without labels
        every neighbour that was marked counts.
        """
        label_of = dict(zip(evaluation.ids.tolist(), evaluation.labels, strict=True))
        mistakes = {
            pair: mark
            for pair, mark in self.verdict.items()
            if label_of[pair[0]] is None or label_of[pair[0]] != label_of[pair[1]]
        }
        counts = Counter(mistakes.values())
        plausible, n = counts["plausible"], counts["plausible"] + counts["implausible"]
        lo, hi = wilson(plausible, n, LEVEL) if n else (None, None)
        n_queries = len({query for query, _ in mistakes})
        return Metric(
            id="human_plausible",
            value=plausible / n if n else None,
            lo=lo,
            hi=hi,
            ci="wilson",
            level=LEVEL,
            estimator=f"marked by hand, {n} wrong neighbours of {n_queries} queries",
            n_queries=n,
            params={"n_marked": len(self.verdict), **{name.replace(" ", "_"): counts[name] for name in VERDICTS}},
            reason=None if n else "no wrong neighbour is marked",
        )


def _named(origin: Mapping[str, str], what: str, field: str) -> str:
    """A store or an embedding by its name and what tells it from others of that name."""
    known = f"'{origin[what]}'" if what in origin else "without a name"
    return known if field == what else f"{known} ({field.replace('_', ' ')} {origin[field]})"


def _record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"marks '{file}' cannot be read ({why}); give {ALLOWED}") from None
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise UsageError(f"'{file}' holds no marks; give {ALLOWED}")
    if record.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"marks '{file}' are of schema {record.get('schema_version')}; this version reads {SCHEMA_VERSION}: "
            "export them again from a new report"
        )
    return record
