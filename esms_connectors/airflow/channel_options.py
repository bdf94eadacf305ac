"""Builds the options and columns of a channel from the arguments of an operator and the connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esms_connectors.airflow.connections import Settings


def with_defaults(channel: str, given: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """
    The options of a channel, with the connection's ids and sender as defaults.

    Raises:
        ConfigurationError: a required option is in neither.
    """
    from esms_connectors.gateway.errors import ConfigurationError
    from esms_connectors.sending.channels.factory import has_option

    usual = {"template_id": settings.template_id, "oa_id": settings.oa_id, "brandname": settings.brandname}
    if channel == "call":
        # The template of a call is a script, not a ZNS template.
        del usual["template_id"]
    wanted = {name: given.get(name) or value for name, value in usual.items() if has_option(channel, name)}
    if missing := [name for name, value in wanted.items() if not value]:
        raise ConfigurationError(f"Give {' and '.join(missing)}, here or in the eSMS connection: {channel} needs it.")
    return {**given, **wanted}


def columns_of(template_params: Any, phone: str, key: str | None, *, by_name: bool) -> Any:
    from esms_connectors.airflow.arguments import column_names
    from esms_connectors.recipients import Columns

    column_names(template_params, phone_column=phone, **({} if key is None else {"key_column": key}))
    if isinstance(template_params, str):
        found = Columns.parse(template_params, phone=phone, key_column=key)
        template_params = found.params
    if by_name and not isinstance(template_params, Mapping):
        # Placeholders are matched by name, not by their order in the text.
        template_params = {name: name for name in template_params}
    return Columns(phone, template_params, key)
