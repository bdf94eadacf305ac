"""Options of the channels by name, for the commands that send and the steps after `--else`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients import Columns

template_file_option = click.option(
    "--template-file",
    metavar="FILE",
    help="A template saved by `esms template ID --save FILE`: used if the gateway does not return it, and to "
    "refuse one "
    "that has changed since.",
)

CHANNEL_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "text": click.option("--text", required=True, help="The message."),
    "brandname": click.option("--brandname", required=True, help="The registered sender ID."),
    "plain": click.option("--plain", is_flag=True, help="Without diacritics, which make most texts more expensive."),
    "named": click.option(
        "--params", help="Other columns for placeholders: name=column,…; default: columns of the same names."
    ),
    "values": click.option(
        "--params", required=True, help="Columns in the order of the template: name,service or name=column,…"
    ),
    "columns": click.option("--params", default="", help="Columns of the values, in the order of the script: name,sum"),
    "template_id": click.option("--template", "template_id", required=True, help="Id of the ZNS template."),
    "template_file": template_file_option,
    "script_id": click.option("--template", "template_id", required=True, help="Id of the script, from the portal."),
    "oa_id": click.option("--oa", "oa_id", required=True, help="Id of the Zalo Official Account."),
    "sending_mode": click.option(
        "--sending-mode", type=click.Choice(["1", "3"]), help="3: beyond the quota of the OA, if it is allowed to."
    ),
    "image_url": click.option("--image-url", metavar="URL", help="A picture, https."),
    "button_url": click.option("--button-url", metavar="URL", help="URL that the button opens."),
    "button_label": click.option("--button-label", help="Label of the button."),
    "buttons": click.option("--buttons", metavar="JSON", help="A list of objects with title, type and payload."),
    "template_type": click.option("--template-type", required=True, help="Such as transaction_order."),
    "elements": click.option(
        "--elements",
        metavar="JSON",
        required=True,
        help="A list of banner, header, text and table; may contain {column}.",
    ),
    "language": click.option("--language", type=click.Choice(["VI", "EN"]), help="Of the message."),
    "voice": click.option("--voice", type=click.Choice(["male", "female", "hatieumai", "ngoclam"]), help="Who speaks."),
    "speed": click.option("--speed", type=click.IntRange(-3, 3), help="-3 very slow to 3 very fast."),
}
# Options that have another name in a channel, or name columns with values.
COLUMN_OPTIONS = ("named", "values", "columns")


def read_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Command-line options in the form that a channel takes."""
    read = dict(options)
    for name in ("buttons", "elements"):
        if read.get(name) is not None:
            read[name] = _json_list(read[name], name)
    if read.get("sending_mode") is not None:
        read["sending_mode"] = int(read["sending_mode"])
    return read


def _json_list(text: str, name: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise InvalidRequestError(f"--{name} takes a JSON list.", field=name)
    return found


def columns_from(params: str | None, phone: str, key: str | None) -> Columns:
    return Columns.parse(params, phone=phone, key_column=key) if params else Columns(phone, (), key)
