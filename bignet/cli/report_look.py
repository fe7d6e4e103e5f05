"""``bignet report --check --baseline``: what is asked of a report that is there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bignet.cli.console import say, say_json
from bignet.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.reporting.baseline import Comparison
    from bignet.reporting.gate import Condition, Outcome
    from bignet.reporting.past import PastReport
    from bignet.reporting.write import ReportFiles


@dataclass(frozen=True)
class Look:
    """Conditions on a report's figures, and an earlier report to compare it with."""

    conditions: tuple[Condition, ...]
    before: PastReport | None
    json_output: bool

    @classmethod
    def asked_for(cls, check: str | None, baseline: str | None, *, json_output: bool) -> Look:
        """Reads both before anything is measured: a mistake shows at once, and the baseline may be overwritten."""
        from bignet.reporting.gate import parse_conditions
        from bignet.reporting.past import read_report

        conditions = () if check is None else parse_conditions(check)
        return cls(conditions, None if baseline is None else read_report(Path(baseline)), json_output)

    def at(self, files: ReportFiles, lines: Sequence[str], following: Sequence[str]) -> None:
        """Print a report that was just written: what it found, checks and comparison, what to do next."""
        for line in () if self.json_output else lines:
            say(line)
        outcomes, comparison = self._judge(files.json)
        if self.json_output:
            record = json.loads(files.json.read_text(encoding="ascii"))
            written = {item.name: getattr(files, item.name) for item in fields(files)}
            paths = {name: str(path) for name, path in written.items() if path is not None}
            say_json({**record, "files": paths, **_as_json(outcomes, comparison)})
        else:
            self._print(outcomes, comparison)
            for line in following:
                say(line)
        _leave(outcomes)

    def again(self, report: Path) -> None:
        """Check and compare a report that was written before, without its store."""
        if not self.conditions and self.before is None:
            raise UsageError(
                f"'{report}' is a report, not a store; add --check or --baseline to look at it again, "
                "or give the folder of a store"
            )
        outcomes, comparison = self._judge(report)
        if self.json_output:
            say_json({"report": str(report), **_as_json(outcomes, comparison)})
        else:
            self._print(outcomes, comparison)
        _leave(outcomes)

    def _judge(self, report: Path) -> tuple[tuple[Outcome, ...], Comparison | None]:
        from bignet.reporting.baseline import compare
        from bignet.reporting.gate import check
        from bignet.reporting.past import read_report

        if not self.conditions and self.before is None:
            return (), None
        now = read_report(report)
        comparison = None if self.before is None else compare(now, self.before)
        return check(self.conditions, now.figures), comparison

    def _print(self, outcomes: Sequence[Outcome], comparison: Comparison | None) -> None:
        from bignet.cli import report_lines as lines

        for line in lines.checked(outcomes) if outcomes else ():
            say(line)
        if comparison is not None:
            say(lines.compared(comparison))


def _leave(outcomes: Sequence[Outcome]) -> None:
    if not all(item.passed for item in outcomes):
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _as_json(outcomes: Sequence[Outcome], comparison: Comparison | None) -> dict[str, Any]:
    found = None if comparison is None else {**asdict(comparison), "verdict": comparison.verdict}
    return {"checks": [asdict(item) for item in outcomes], "baseline": found}
