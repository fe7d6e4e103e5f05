"""Every retrieval metric once more, query by query in plain Python, sharing no code with the package."""

import math

import numpy as np
from sklearn.metrics import ndcg_score

VOTERS, TEMPERATURE = 20, 0.07


def parts(label):
    return label.split("#")


def shared(a, b):
    """Leading parts two labels have in common."""
    if a is None or b is None:
        return 0
    count = 0
    for one, other in zip(parts(a), parts(b), strict=False):
        if one != other:
            break
        count += 1
    return count


class Brute:
    """All scores of all queries.

    Args:
        oracle: ranks pairs.
        vectors: (N, D).
        labels: N, None = unlabelled.
        apart: N group names or None: rows of a group do not find each other.
        asked, findable: which rows, as flags; None = every row.
    """

    def __init__(self, oracle, vectors, labels, *, apart=None, asked=None, findable=None, distractors=False):
        n = len(labels)
        self.oracle, self.vectors, self.labels = oracle, vectors, labels
        self.apart = [None] * n if apart is None else apart
        self.asked = [True] * n if asked is None else asked
        self.findable = [
            (True if findable is None else findable[i]) and (labels[i] is not None or distractors) for i in range(n)
        ]
        self.unit = [np.asarray(v, dtype=np.float64) / np.linalg.norm(np.asarray(v, np.float64)) for v in vectors]

    def candidates(self, query):
        own = self.apart[query]
        return [
            row
            for row in range(len(self.labels))
            if row != query and self.findable[row] and (own is None or self.apart[row] != own)
        ]

    def scores(self, k, several):
        """{query: {metric: value}} of all queries."""
        found = {}
        for query, label in enumerate(self.labels):
            rows = self.candidates(query)
            n_relevant = sum(self.labels[row] == label for row in rows)
            if self.asked[query] and label is not None and n_relevant:
                found[query] = self.one(query, rows, n_relevant, k, several)
        return found

    def one(self, query, rows, R, k, several):
        label = self.labels[query]
        ranking = self.oracle.ranking(self.vectors, query, rows)
        hits = [self.labels[row] == label for _, row in ranking]
        precision = [sum(hits[: r + 1]) / (r + 1) for r in range(len(hits))]
        total = [p for p, hit in zip(precision, hits, strict=True) if hit]
        scores = {
            "map": sum(total) / R,
            "mrr": 1 / (hits.index(True) + 1),
            "r_precision": precision[R - 1],
            "map@r": sum(p for p, hit in zip(precision[:R], hits[:R], strict=True) if hit) / R,
            "knn_acc": float(self.vote(ranking) == label),
            "ncc_acc": float(self.centre(query, rows) == label),
        }
        for depth in {1, k, *several}:
            if len(hits) >= depth:
                scores[f"p@{depth}"] = sum(hits[:depth]) / depth
                scores[f"p@{depth}/tie-mean"] = self.over_tie_orders(ranking, hits, depth)
                scores[f"hit@{depth}"] = float(any(hits[:depth]))
                scores[f"recall@{depth}"] = sum(hits[:depth]) / R
        if len(hits) >= k:
            cut = sum(p for p, hit in zip(precision[:k], hits[:k], strict=True) if hit)
            scores[f"map@{k}/minRk"] = cut / min(R, k)
            scores[f"ndcg@{k}"] = self.ndcg(label, ranking, k)
        return scores

    def over_tie_orders(self, ranking, hits, depth):
        """Each place holds any item of its tie with the same probability."""
        ties = {}
        for (s, _), hit in zip(ranking, hits, strict=True):
            ties.setdefault(s, []).append(hit)
        return sum(sum(ties[s]) / len(ties[s]) for s, _ in ranking[:depth]) / depth

    def ndcg(self, label, ranking, k):
        gains = [shared(label, self.labels[row]) for _, row in ranking]
        if len(gains) == 1:
            return 1.0
        return ndcg_score([gains], [[s / 1e12 for s, _ in ranking]], k=k)

    def votes(self, ranking):
        votes = {}
        for s, row in ranking[:VOTERS]:
            if self.labels[row] is not None:
                votes[self.labels[row]] = votes.get(self.labels[row], 0.0) + math.exp(s / 1e12 / TEMPERATURE)
        return votes

    def vote(self, ranking):
        votes = self.votes(ranking)
        best = max(votes.values(), default=0.0)
        near = [self.labels[row] for _, row in ranking[:VOTERS] if self.labels[row] is not None]
        return next((label for label in near if votes[label] > best * (1 - 1e-10)), None)

    def centre(self, query, rows):
        best = {}
        for row in rows:
            if self.labels[row] is not None:
                best.setdefault(self.labels[row], np.zeros(len(self.unit[0])))
                best[self.labels[row]] = best[self.labels[row]] + self.unit[row]
        cosine = {c: float(self.unit[query] @ s) / max(float(np.linalg.norm(s)), 1e-300) for c, s in best.items()}
        top = max(cosine.values())
        return min((c for c, value in cosine.items() if value > top - 1e-11), key=lambda c: (parts(c), c))


def means(scores, labels):
    """{query: {metric: value}} -> {metric id: value}, micro and macro."""
    found = {}
    for name in {name for one in scores.values() for name in one}:
        known = {query: one[name] for query, one in scores.items() if name in one}
        by_class = {}
        for query, value in known.items():
            by_class.setdefault(labels[query], []).append(value)
        found[name] = float(np.mean(list(known.values())))
        found[f"{name}.macro"] = float(np.mean([np.mean(values) for values in by_class.values()]))
    return found
