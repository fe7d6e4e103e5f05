"""``bignet doctor``: can this machine extract, how fast, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import Notices, counted, say, say_json, table
from bignet.errors import ExitCode

if TYPE_CHECKING:
    from bignet.doctor.check import Check
    from bignet.doctor.speed import Speed

NAME = "doctor"
PANEL = "Start here"


def command(
    images: Annotated[
        str | None, typer.Argument(help="Folder of your images to time decoding with; without it some are generated.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="Backbone to time, see `bignet models`.")] = "resnet50",
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Check this machine, time decoding and the network, and say what to change.

    Takes about ten seconds. Ends with code 4 if nothing can be extracted until something is mended.

    \b
    bignet doctor
    bignet doctor --model resnet18 --json
    """
    notices = Notices(quiet=json_output)
    with notices.only_ours():
        from bignet.doctor.examine import examine

        diagnosis = examine(images, model, lambda: notices.note("measuring for some seconds ..."))
    if json_output:
        say_json(diagnosis.as_json())
    else:
        _print_checks(diagnosis.checks)
        if diagnosis.speed is not None:
            _print_speed(diagnosis.speed)
    if not diagnosis.healthy:
        raise typer.Exit(ExitCode.ENVIRONMENT)


def _print_checks(checks: tuple[Check, ...]) -> None:
    lines = table(("check", "state", "found"), [(check.name, check.state, check.found) for check in checks])
    start = lines[0].index("found")
    say(lines[0])
    for check, line in zip(checks, lines[1:], strict=True):
        say(line)
        if check.advice:
            say(f"{' ' * start}-> {check.advice}")


def _print_speed(speed: Speed) -> None:
    from bignet.doctor.speed import bottleneck

    kind = "generated photo" if speed.generated else "photo"
    photos = f"{counted(speed.photos, kind)} of {speed.megapixels:.2g} megapixels, {counted(speed.cores, 'core')}"
    if speed.refused:
        photos += f"; {counted(speed.refused, 'file')} passed over"
    rows = [
        ("decoding", _rate(speed.decode), photos),
        ("network", _rate(speed.forward), f"{speed.model}, {speed.precision} on {speed.device}, random weights"),
        ("together", _rate(speed.expected), bottleneck(speed)[0]),
    ]
    say()
    lines = table(("expected", "img/s", "with"), rows, right="lrl")
    for line in lines:
        say(line)
    say(f"{' ' * lines[0].index('with')}-> {bottleneck(speed)[1]}")


def _rate(images_a_second: float) -> str:
    """Three digits or more: ``5.52``, ``43.9``, ``1,240``."""
    return f"{images_a_second:,.{2 if images_a_second < 10 else 1 if images_a_second < 100 else 0}f}"
