"""
A ZNS template kept in a file: for accounts where the gateway does not return it, and to detect changes.

The file is the JSON that `esms template ID --save FILE` writes. In a file written by hand, the names of the variables,
in order, are enough.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import (
    AccountSetupError,
    EsmsError,
    GatewayError,
    InvalidRequestError,
    RequestRefusedError,
)
from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.gateway.plain_values import as_plain

__all__ = ["TemplateChangedError"]

_FORMAT = 1
# A change of these makes it another message; status, quality and quota change from day to day.
_FIXED = ("name", "tag")
_MEMBERS: dict[str, tuple[type, ...]] = {
    "required": (bool, type(None)),
    "accepts_null": (bool, type(None)),
    "min_length": (int, type(None)),
    "max_length": (int, type(None)),
    "param_type": (str, type(None)),
}
_LARGEST_BYTES = 1_000_000


class TemplateChangedError(InvalidRequestError):
    """The template differs from its file. Nothing was sent: look at it, and save it again."""


@dataclass(frozen=True, slots=True)
class TemplateLock:
    """
    A template as it was when the file was written.

    Attributes:
        path: of the file; for display.
        oa_id: the OA that the template belongs to; None if the file does not say.
    """

    template: ZnsTemplate = field(repr=False)
    oa_id: str | None
    path: str = ""

    def write(self, path: str | Path) -> None:
        """
        Raises:
            InvalidRequestError: the file cannot be written.
        """
        told = {"format": _FORMAT, "oa_id": self.oa_id, "template": as_plain(self.template)}
        try:
            Path(path).write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise InvalidRequestError(
                f"The template cannot be written to {path}: {error.strerror}.", field="template_file"
            ) from None

    def check_ids(self, template_id: str, oa_id: str) -> None:
        """
        Raises:
            InvalidRequestError: the file holds another template, or one of another OA.
        """
        if self.template.template_id != template_id or self.oa_id not in (None, oa_id):
            raise InvalidRequestError(
                f"{self.path} holds template {self.template.template_id} of OA {self.oa_id or 'unknown'}, "
                f"not {template_id} of {oa_id}.",
                field="template_file",
            )

    def check_same(self, now: ZnsTemplate) -> None:
        """
        Raises:
            TemplateChangedError: `now`, the gateway's template, differs.
        """
        before = self.template
        changes = [
            f"{name} is {getattr(now, name)!r} and was {getattr(before, name)!r}"
            for name in _FIXED
            if getattr(before, name) and getattr(before, name) != getattr(now, name)
        ]
        changes += _changed_params(before.params, now.params)
        if changes:
            raise TemplateChangedError(
                f"Template {now.template_id} changed since {self.path} was written: {'; '.join(changes)}. Nothing was "
                "sent: check it, and save it again.",
                field="template_file",
            )


def _changed_params(before: Sequence[ZnsTemplateParam], now: Sequence[ZnsTemplateParam]) -> list[str]:
    names = [[param.name for param in params] for params in (before, now)]
    if names[0] != names[1]:
        return [f"its variables are {', '.join(names[1]) or 'none'} and were {', '.join(names[0]) or 'none'}"]
    return [
        f"{member} of {old.name} is {getattr(new, member)!r} and was {getattr(old, member)!r}"
        for old, new in zip(before, now, strict=True)
        for member in ZnsTemplateParam.__slots__
        if getattr(old, member) != getattr(new, member)
    ]


def read_template_file(path: str | Path) -> TemplateLock:
    """
    Raises:
        InvalidRequestError: there is no such file, or it holds no template; the message says in one line what is wrong.
    """
    shown = str(path)
    try:
        with Path(path).open("rb") as file:
            told = json.loads(file.read(_LARGEST_BYTES).decode("utf-8-sig"))
    except OSError as error:
        problem = f"The template file {shown} cannot be read: {error.strerror}."
    except ValueError:
        problem = f"The template file {shown} is not JSON: create it with `esms template ID --oa OA --save FILE`."
    else:
        return _lock_of(told, shown)
    raise InvalidRequestError(problem, field="template_file")


def _lock_of(told: Any, path: str) -> TemplateLock:
    """Parse the contents of a file; members that it omits are unknown."""
    template = told.get("template") if isinstance(told, Mapping) else None
    if not isinstance(template, Mapping) or not isinstance(template.get("params"), list):
        raise _no_template(path, "it has no template with params")
    template_id, oa_id = template.get("template_id"), told.get("oa_id")
    if not isinstance(template_id, str) or not isinstance(oa_id, str | None):
        raise _no_template(path, "template_id and oa_id are texts")
    name, tag = template.get("name") or "", template.get("tag")
    if not isinstance(name, str) or not isinstance(tag, str | None):
        raise _no_template(path, "name and tag are texts")
    params = tuple(_param_of(one, path) for one in template["params"])
    # Status, quality and quota were those of another day.
    return TemplateLock(ZnsTemplate(template_id, name, None, params, tag, None, None, None, None), oa_id, path)


def _param_of(told: Any, path: str) -> ZnsTemplateParam:
    told = {"name": told} if isinstance(told, str) else told
    name = told.get("name") if isinstance(told, Mapping) else None
    if not isinstance(name, str) or not name.strip():
        raise _no_template(path, "a variable of it has no name")
    for member, kinds in _MEMBERS.items():
        if type(told.get(member)) not in kinds:
            raise _no_template(path, f"{member} of variable {name} is {told[member]!r}")
    return ZnsTemplateParam(
        name,
        required=told.get("required") is not False,
        accepts_null=told.get("accepts_null") is True,
        min_length=told.get("min_length"),
        max_length=told.get("max_length"),
        param_type=told.get("param_type"),
    )


def _no_template(path: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{path} is not a template file: {problem}. Create it with `esms template ID --oa OA --save FILE`.",
        field="template_file",
    )


def load_template(
    client: EsmsClient, template_id: str, oa_id: str, lock: TemplateLock | None
) -> tuple[ZnsTemplate | None, str]:
    """
    The template as the gateway has it; the one from the file if the gateway does not return it.

    Returns:
        The template, None if it is not known; and a warning if the gateway did not return it, else an empty string.

    Raises:
        TemplateChangedError: the gateway's template differs from the file.
        InvalidRequestError: the file holds another template.
        GatewayError: there is no such template, or the account may not read it.
    """
    if lock is not None:
        lock.check_ids(template_id, oa_id)
    try:
        found = client.get_zns_template(template_id, oa_id)
    except (InvalidRequestError, AccountSetupError, RequestRefusedError):
        raise
    except GatewayError as error:
        if error.stops_run:
            raise
        refused: EsmsError = error
    except EsmsError as error:
        refused = error
    else:
        if lock is not None:
            lock.check_same(found)
        return found, ""
    told = str(refused).rstrip(".")
    if lock is not None:
        return (
            lock.template,
            f"The gateway did not return template {template_id} ({told}): rows are checked against {lock.path}.",
        )
    return None, (
        f"The gateway did not return template {template_id} ({told}): values are used in the order of the columns, "
        "unchecked. A template file checks them."
    )
