"""The ``bignet`` command: its subcommands, its exit codes, its one-line errors."""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Exit

from bignet.cli import (
    clusters,
    demo,
    derive,
    doctor,
    extract,
    import_vectors,
    index,
    info,
    layers,
    models,
    report,
    search,
    sweep,
    verify,
)
from bignet.cli.help import GroupedCommands, GroupedOptions
from bignet.errors import BigNetError, ExitCode, explain_os_error, explain_shortage

if TYPE_CHECKING:
    from types import FrameType

app = typer.Typer(
    name="bignet",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    cls=GroupedCommands,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Embed folders of images with any torchvision network, search them, measure the embeddings.

    \b
    bignet extract photos photos.bignet --model resnet50
    bignet search photos.bignet query.jpg -k 10
    bignet report photos.bignet -o report

    Add --debug to any command for the traceback of an error.
    """,
)

_MODULES = (
    demo,
    doctor,
    extract,
    import_vectors,
    models,
    layers,
    search,
    index,
    report,
    clusters,
    sweep,
    derive,
    info,
    verify,
)
for module in _MODULES:
    app.command(module.NAME, cls=GroupedOptions, rich_help_panel=module.PANEL)(module.command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"bignet {version('bignet')}")
        raise Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of bignet itself; help is set above."""


class _Stopped(BaseException):
    """A signal asked the command to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = ExitCode(128 + number)  # the shell's own way to tell a signal


def _on_signal(number: int, _frame: FrameType | None) -> None:
    for again in _STOPPING:
        signal.signal(again, signal.SIG_DFL)  # a second one stops at once
    raise _Stopped(number)


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(arguments: list[str] | None = None) -> None:
    """Entry point of the console script; leaves through SystemExit with a code of the contract."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # names hold any bytes
    for number in _STOPPING:
        signal.signal(number, _on_signal)
    sys.exit(_outcome([word for word in words if word != "--debug"], debug=debug))


def _outcome(words: list[str], *, debug: bool) -> int:
    try:
        return _called(words)
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else ExitCode.OK if leave.code is None else ExitCode.USAGE
    except BigNetError as error:
        return _explained(f"error[{error.code}]: {error}", error.exit_code, debug=debug)
    except _Stopped as stop:
        text = "stopped; what was committed is kept, the same command goes on from there"
        return _explained(text, stop.code, debug=debug)
    except OSError as error:
        where = f"use '{os.fsdecode(error.filename)}'" if error.filename else "write the output"
        return _explained(f"error[environment]: {explain_os_error(error, where)}", ExitCode.ENVIRONMENT, debug=debug)
    except Exception as error:
        shortage = explain_shortage(error)
        if shortage is not None:
            return _explained(f"error[environment]: {shortage}", ExitCode.ENVIRONMENT, debug=debug)
        if not hasattr(error, "format_message"):
            raise
        command = " ".join(["bignet", *words[:1]]) if words[0] in _COMMANDS else "bignet"
        text = f"error[usage]: {error.format_message().rstrip('.')}; see {command} --help"
        return _explained(text, ExitCode.USAGE, debug=debug)


def _called(words: list[str]) -> int:
    """The code of a command that ran to its end, or until nobody read on: the shell's own for a closed pipe."""
    try:
        code = app(words or ["--help"], prog_name="bignet", standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:
        if _comes_of_a_broken_pipe(error) and _nobody_reads():
            return ExitCode.UNREAD
        raise
    return code if isinstance(code, int) else ExitCode.OK


def _comes_of_a_broken_pipe(error: BaseException | None) -> bool:
    """Typer turns a broken pipe into a silent exit with 1, a writer into a disk that refuses."""
    while error is not None and not isinstance(error, BrokenPipeError):
        error = error.__cause__ or error.__context__
    return error is not None


def _nobody_reads() -> bool:
    """Whether stdout or stderr is a pipe without a reader; what is still to be flushed into it goes nowhere."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    gone = [descriptor for descriptor, event in poll.poll(0) if event & select.POLLERR]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in gone:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return bool(gone)


_COMMANDS = frozenset(module.NAME for module in _MODULES)


def _explained(text: str, code: ExitCode, *, debug: bool) -> ExitCode:
    """Print one line (all of a traceback if asked for) -> the exit code."""
    if debug:
        import traceback

        traceback.print_exc()
    line = " ".join(text.split())
    try:
        sys.stderr.write(f"bignet: {''.join(c if c.isprintable() else ascii(c)[1:-1] for c in line)}\n")
        sys.stderr.flush()
    except BrokenPipeError:
        _nobody_reads()  # else Python fails at its end, and with another code
    return code


if __name__ == "__main__":
    run()
