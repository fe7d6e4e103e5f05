"""Warnings that came with an evaluation and that the verdict and the first section do not say in words of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.evaluate import findings

if TYPE_CHECKING:
    from bignet.evaluate.result import Evaluation


def unsaid_warnings(evaluation: Evaluation) -> tuple[str, ...]:
    """Without those on margins, ties, groups, intervals, queries and unusable rows: rules and counts speak of them."""
    said = [
        *findings.rows_left_out(evaluation.unusable),
        *findings.about_groups(evaluation.metrics),
        *findings.about_classes(evaluation.classes),
        *findings.about_ties(evaluation.graph, evaluation.k),
    ]
    if evaluation.metrics:
        first = evaluation.metrics[0]
        n_rows, n_classes = len(evaluation.ids), len(evaluation.classes)
        said += findings.about_queries(first.excluded, first.n_queries, n_rows, n_classes)
        said += findings.about_headline(first, evaluation.per_query.apr)
    return tuple(text for text in evaluation.warnings if text not in said)
