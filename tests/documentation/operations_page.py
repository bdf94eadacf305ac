"""
Writes docs/reference/operations.md from the catalogue and the methods.

    python tests/documentation/operations_page.py
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.operations import Operation, describe_operation, operation_names

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "operations.md"
_HEAD = """# Operations of the gateway

Written by `python tests/documentation/operations_page.py` from the catalogue; a test compares.

Each of the {count} can be reached under one name:

| from | as |
| --- | --- |
| Python | `client.get_oa_quota("4097311281936189049")`, a typed answer |
| Python, by name | `call_operation(client, "get_oa_quota", {{"oa_id": "4097311281936189049"}})`, plain values |
| Airflow | `EsmsOperator(operation="get_oa_quota", arguments={{"oa_id": "4097311281936189049"}})` |
| Prefect | `call_gateway("get_oa_quota", {{"oa_id": "4097311281936189049"}})` |
| a terminal | `esms call get_oa_quota oa_id=4097311281936189049`; `esms call get_oa_quota --help` |

*Repeated* says when a call whose answer was lost is made again. A call that costs money or has a lasting effect never
is, and needs `--yes` on a terminal. *Sandbox* is the gateway's spelling of the flag; an operation without it that does
more than read is refused by a client in sandbox mode.

| operation | what it does | effect | repeated | sandbox |
| --- | --- | --- | --- | --- |
"""
_ANSWERS = """
## Answers

Return types of the methods; called by name, they have the same members as plain values. They need no import.

"""


def page() -> str:
    operations = [describe_operation(name) for name in operation_names()]
    lines = [_line(operation) for operation in operations]
    return (
        _HEAD.format(count=len(operations))
        + "\n".join(lines)
        + "\n\n## Arguments\n\n"
        + "\n".join(map(_arguments, operations))
        + _ANSWERS
        + "\n".join(map(_answer, _answers(operations)))
    )


def _line(operation: Operation) -> str:
    endpoint = operation.endpoint
    cells = (
        f"[`{operation.name}`](#{operation.name})",
        operation.summary,
        endpoint.effect.value,
        operation.repeated_when,
        f"`{endpoint.sandbox_field}`" if endpoint.sandbox_field else "",
    )
    return f"| {' | '.join(cells)} |"


def _arguments(operation: Operation) -> str:
    endpoint = operation.endpoint
    takes = [f"- `{one.name}`: {one.takes}{'' if one.required else ' (optional)'}" for one in operation.arguments] or [
        "No arguments."
    ]
    about = (
        f"`{endpoint.method} {endpoint.base_url}{endpoint.path}`, {endpoint.request_format.value}. {endpoint.source}."
    )
    if endpoint.prefer:
        about += f" Prefer `{endpoint.prefer}`."
    return f"### {operation.name}\n\n{about}\n\n" + "\n".join(takes) + f"\n\nGives {_given(operation)}.\n"


def _given(operation: Operation) -> str:
    answer = _result(operation)
    (model,) = _models(answer)
    link = f"[`{model.__name__}`](#{model.__name__.lower()})"
    return link if answer is model else f"a list of {link}"


def _result(operation: Operation) -> Any:
    return typing.get_type_hints(getattr(EsmsClient, operation.name))["return"]


def _models(hint: Any) -> Iterator[type[Any]]:
    """The models within a type."""
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for inner in typing.get_args(hint):
        yield from _models(inner)


def _answers(operations: list[Operation]) -> list[type[Any]]:
    """Each model once, with those within it behind it."""
    found: dict[type[Any], None] = {}

    def add(hint: Any) -> None:
        for model in _models(hint):
            if model not in found:
                found[model] = None
                for inner in typing.get_type_hints(model).values():
                    add(inner)

    for operation in operations:
        add(_result(operation))
    return list(found)


def _answer(model: type[Any]) -> str:
    text, _, attributes = (inspect.getdoc(model) or "").partition("\n\nAttributes:\n")
    attributes, _, _ = attributes.partition("\n\n")
    meanings = {
        name.strip(): " ".join(meaning.split())
        for names, meaning in re.findall(r"(?ms)^    (\w[\w, ]*): (.*?)(?=^    \w|\Z)", attributes)
        for name in names.split(",")
    }
    hints = typing.get_type_hints(model)
    members = [
        f"- `{one.name}`: {_words(hints[one.name])}" + (f"; {meaning}" if (meaning := meanings.get(one.name)) else "")
        for one in fields(model)
    ]
    return f"### {model.__name__}\n\n{' '.join(text.split())}\n\n" + "\n".join(members) + "\n"


def _words(hint: Any) -> str:
    """A type in words."""
    inner = [one for one in typing.get_args(hint) if one is not Ellipsis]
    if isinstance(hint, types.UnionType):
        return " or ".join(map(_words, inner))
    if typing.get_origin(hint) is Mapping:
        return f"{_words(inner[1])} by {_words(inner[0])}"
    if inner:
        return f"list of {_words(inner[0])}"
    if hint is type(None):
        return "None"
    return f"[`{hint.__name__}`](#{hint.__name__.lower()})" if is_dataclass(hint) else f"`{hint.__name__}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
