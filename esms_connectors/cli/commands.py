"""
All commands by name. Each is a thin wrapper in a separate module, which only formats output; the logic is in the
package.
"""

from __future__ import annotations

import importlib

import click

from esms_connectors import __version__
from esms_connectors.cli.language import language_option
from esms_connectors.cli.output import EXIT_CODES, EsmsGroup

# Commands are imported when called, because importing the libraries of all of them takes longer than running most of
# them. `module:name` if the function has a different name from its command.
_HOME = {
    **dict.fromkeys(("balance", "explain"), "account"),
    "alert": "alerting",
    "call": "call",
    "check": "check",
    **dict.fromkeys(("demo", "emulator"), "emulator"),
    "examples": "examples",
    **dict.fromkeys(("guard", "resume", "stop", "suppress"), "guard"),
    "ledger": "ledger:ledger_commands",
    "reconcile": "ledger:reconcile_run",
    "resend": "ledger",
    **dict.fromkeys(("brandnames", "template", "templates"), "account_lookups"),
    "oa": "account_lookups:official_accounts",
    "message": "message",
    **dict.fromkeys(("status", "wait"), "delivery"),
    "outcomes": "outcomes",
    **dict.fromkeys(("erase", "find", "forget", "person"), "people"),
    **dict.fromkeys(("pull", "sql"), "pulling"),
    "report": "reporting",
    "send": "channels",
    "send-sms": "one_sms",
    "send-zns": "sending",
    **dict.fromkeys(("coverage", "marts", "snapshot", "statement"), "warehouse"),
}


class LazyGroup(EsmsGroup):
    """Imports a command on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_HOME)

    def find_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _HOME:
            return None
        module, _, name = _HOME[cmd_name].partition(":")
        found: click.Command = getattr(
            importlib.import_module(f"esms_connectors.cli.{module}"), name or cmd_name.replace("-", "_")
        )
        return found


@click.group(cls=LazyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@language_option
@click.version_option(__version__, prog_name="esms")
def esms() -> None:
    """
    Send SMS and Zalo ZNS through eSMS.vn, and read their outcomes.

    Keys come from ESMS_API_KEY and ESMS_SECRET_KEY, never from an option: options are visible in the process list.
    ESMS_BASE_URL points elsewhere (an emulator), ESMS_SANDBOX=1 checks messages without sending them.

    \b
    Examples:
      esms check
      esms send-sms --to 0901888484 --brandname MyBrand --text "Xin chao"
      eval "$(_ESMS_COMPLETE=bash_source esms)"    # commands and options by Tab; zsh_source, fish_source
    """
