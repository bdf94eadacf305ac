"""`--else CHANNEL … --after 15m`: fallback steps for people whom the step before did not reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from esms_connectors.cli.channel_options import CHANNEL_OPTIONS, read_options
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger
from esms_connectors.recipients.sources import Source
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels.factory import read_channel
from esms_connectors.sending.durations import read_duration
from esms_connectors.sending.steps import Journey
from esms_connectors.sending.steps.parsing import read_step
from esms_connectors.sending.steps.unreached import undelivered

_ELSE = "--else"
_META = "esms.steps"
# In a step one `--params` and one `--template` serve all channels.
_LEFT_OUT = ("values", "columns", "script_id")

else_option = click.option(
    _ELSE,
    metavar="CHANNEL",
    expose_value=False,
    help="People whose message is refused, failed or not delivered within --after get this channel, once; its "
    "options follow it: "
    "--else sms --text … --after 15m. May be repeated; each counts from the one before.",
)


def undelivered_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--from-undelivered RUN_KEY` as an alternative to SOURCE."""
    for option in (
        click.option(
            "--undelivered-after",
            metavar="SPAN",
            help="With --from-undelivered: how long each message had, such as 2h; default: all that are not delivered "
            "now.",
        ),
        click.option(
            "--from-undelivered",
            metavar="RUN_KEY",
            help="Instead of SOURCE: the people whom that run and its further steps did not reach: refused, failed, or "
            "not delivered. Columns: phone, row_key (the key), reason.",
        ),
    ):
        command = option(command)
    return command


def source_or_undelivered(
    source: str | None, run_key: str | None, after: str | None, client: EsmsClient, ledger: Ledger
) -> Source:
    """
    The source of recipients.

    Raises:
        InvalidRequestError: as `undelivered`.
    """
    return undelivered(client, ledger, run_key, after=after) if run_key is not None else source or ""


def check_source(source: str | None, run_key: str | None, after: str | None) -> None:
    """
    Check the source before anything is opened.

    Raises:
        InvalidRequestError: neither or both are given.
    """
    if (source is None) == (run_key is None):
        raise InvalidRequestError("Give SOURCE, or --from-undelivered RUN_KEY.", field="source")
    if after is not None:
        if run_key is None:
            raise InvalidRequestError("--undelivered-after goes with --from-undelivered.", field="undelivered_after")
        read_duration(after, "--undelivered-after")


def _step_command() -> click.Command:
    step = click.Command(_ELSE, add_help_option=False)
    for name, option in CHANNEL_OPTIONS.items():
        if name not in _LEFT_OUT:
            option(step)
    click.option("--after", help="Time for the step before: 15m, 2h.")(step)
    click.option("--phone-column")(step)
    for one in step.params:
        one.required = False
    return step


_STEP = _step_command()


class CampaignCommand(click.Command):
    """A sending command that takes steps after `--else`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        args, chunks = _cut(args)
        steps = []
        for chunk in chunks:
            step, left = _read_step(chunk)
            steps.append(step)
            # Options of the campaign may appear anywhere.
            args += left
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[_META] = steps
        return context


def _cut(args: list[str]) -> tuple[list[str], list[list[str]]]:
    """The arguments before the first `--else`, and those after each."""
    chunks: list[list[str]] = [[]]
    for one in args:
        if one == _ELSE:
            chunks.append([])
        elif one.startswith(f"{_ELSE}="):
            chunks.append([one.removeprefix(f"{_ELSE}=")])
        else:
            chunks[-1].append(one)
    return chunks[0], chunks[1:]


def _read_step(chunk: list[str]) -> tuple[dict[str, Any], list[str]]:
    if not chunk or chunk[0].startswith("-"):
        raise InvalidRequestError("--else needs a channel, such as --else sms.", field="else")
    channel = read_channel(chunk[0]).kind
    parsed = _STEP.make_context(_ELSE, chunk[1:], ignore_unknown_options=True, allow_extra_args=True)
    options = read_options(parsed.params)
    if not options["after"]:
        raise InvalidRequestError(f"--else {channel} needs --after, such as --after 15m.", field="after")
    return {**options, "channel": channel, "plain": options["plain"] or None}, parsed.args


def journey_of(campaign: Campaign) -> Journey | None:
    """The chain given on the command line; None without `--else`."""
    given: list[dict[str, Any]] = click.get_current_context().meta.get(_META) or []
    return Journey(campaign, [read_step(one, campaign) for one in given]) if given else None
