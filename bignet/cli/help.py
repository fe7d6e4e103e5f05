"""Help pages: plain text, options and commands grouped by purpose. Drawing boxes would double the time they take."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

PLAIN_PANEL = "Options"


def _grouped(items: list[tuple[str, tuple[str, str]]]) -> dict[str, list[tuple[str, str]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for panel, record in items:
        groups.setdefault(panel, []).append(record)
    return groups


class GroupedOptions(TyperCommand):
    """A command whose options are listed by their panel."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments first, then each panel of options in the order of its first one."""
        records = [(param, param.get_help_record(ctx)) for param in self.get_params(ctx)]
        items = [(self._panel(param), record) for param, record in records if record is not None]
        for panel, rows in _grouped(items).items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def _panel(self, param: Any) -> str:
        if param.param_type_name == "argument":
            return "Arguments"
        return getattr(param, "rich_help_panel", None) or PLAIN_PANEL


class GroupedCommands(TyperGroup):
    """The list of commands by their panel."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each panel in the order of its first command, which is the order people use them in."""
        items = []
        for name in self.commands:
            command: Any = self.commands[name]
            items.append((command.rich_help_panel or "Commands", (name, command.get_short_help_str(limit=90))))
        for panel, rows in _grouped(items).items():
            with formatter.section(panel):
                formatter.write_dl(rows)
