"""
Writes docs/reference/operations.md from the catalogue and the methods.

    python tests/documentation/operations_page.py
"""

from __future__ import annotations

from pathlib import Path

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

*Repeated* says when a call whose answer was lost is made again. What costs money or leaves a mark never is, and wants
`--yes` on a terminal. *Sandbox* is the gateway's spelling of the flag; what has none, and does more than read, is
refused by a client in sandbox mode.

| operation | what it does | effect | repeated | sandbox |
| --- | --- | --- | --- | --- |
"""


def page() -> str:
    operations = [describe_operation(name) for name in operation_names()]
    lines = [_line(operation) for operation in operations]
    return (
        _HEAD.format(count=len(operations))
        + "\n".join(lines)
        + "\n\n## Arguments\n\n"
        + "\n".join(map(_arguments, operations))
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
    return f"### {operation.name}\n\n{about}\n\n" + "\n".join(takes) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
