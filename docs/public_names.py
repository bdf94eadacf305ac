"""
The directive `public-names`: what a module offers, from its signatures and docstrings, which are Markdown.

    ```{public-names} esms_connectors.sending.bulk send_bulk RunResult
    ```

Without names it shows what stands in `__all__` of the module. The code is read by griffe and never imported, because no
environment holds both Airflow and Prefect.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import griffe
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGE = "esms_connectors"
ROOT = Path(__file__).parent.parent
# Docstrings name several arguments on one line, and types stand in the signatures: griffe warns of both.
logging.getLogger("griffe").setLevel(logging.ERROR)

_CODE = re.compile(r"(`[^`]*`)")
_INDENTED = re.compile(r"(?m)^( {4,}.*(?:\n|\Z)(?:[ \t]*\n(?= {4,}))?)+")
_LABELS = {"parameters": "Arguments", "returns": "Returns", "yields": "Yields", "raises": "Raises"}


@functools.cache
def package() -> griffe.Module:
    """Everything, read once."""
    loaded = griffe.load(
        PACKAGE, search_paths=[str(ROOT)], docstring_parser="google", allow_inspection=False, resolve_aliases=True
    )
    return _module(loaded)


def module_of(path: str) -> griffe.Module:
    inner = path.removeprefix(PACKAGE).removeprefix(".")
    found = package()[inner] if inner else package()
    return _module(found)


def _module(found: griffe.Object | griffe.Alias) -> griffe.Module:
    if not isinstance(found, griffe.Module):
        raise TypeError(f"{found.path} is no module")
    return found


def public_names(module: griffe.Module, names: list[str]) -> dict[str, griffe.Object]:
    """What a module offers, by name."""
    if not names:
        names = [str(name) for name in module.exports or () if name != "__version__"]
    missing = [name for name in names if name not in module.members]
    if missing or not names:
        raise LookupError(f"{module.path} has no {', '.join(missing) or '__all__: name what to show'}")
    return {name: _target(module.members[name]) for name in names}


def _target(member: griffe.Object | griffe.Alias) -> griffe.Object:
    return member.final_target if isinstance(member, griffe.Alias) else member


class PublicNames(SphinxDirective):
    """See the docstring of this module."""

    required_arguments = 1
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = False

    def run(self) -> list[nodes.Node]:
        module = module_of(self.arguments[0])
        names = " ".join(self.arguments[1:]).split()
        self.env.note_dependency(str(module.filepath))
        lines = [f"```{{py:module}} {module.path}", "```", ""]
        for name, member in public_names(module, names).items():
            self.env.note_dependency(str(member.filepath))
            lines += [*_described(name, member, fence=8, module=module.path), ""]
        return self.parse_text_to_nodes("\n".join(lines))


def _described(name: str, member: griffe.Object, *, fence: int, module: str, kind: str = "") -> Iterator[str]:
    ticks = "`" * fence
    role = kind or {"class": "class", "function": "function"}.get(member.kind.value, "data")
    if isinstance(member, griffe.Class) and any("Error" in str(base) for base in member.bases):
        role = "exception"
    yield f"{ticks}{{py:{role}}} {name}{_signature(member)}"
    yield f":module: {module}"
    if isinstance(member, griffe.Function):
        yield from (f":{label}:" for label in ("classmethod", "staticmethod", "async") if label in member.labels)
        if "property" in member.labels and member.returns:
            yield f":type: {member.returns}"
    yield ""
    yield from _docstring(member)
    if isinstance(member, griffe.Class):
        for inner_name, inner in member.members.items():
            if _is_shown(inner_name, inner):
                yield ""
                yield from _described(
                    inner_name, _target(inner), fence=fence - 2, module=module, kind=_member_kind(_target(inner))
                )
    yield ticks


def _is_shown(name: str, member: griffe.Object | griffe.Alias) -> bool:
    """Methods and properties; of attributes those that say what they are."""
    if name.startswith("_") or member.is_alias:
        return False
    return member.is_function or "property" in member.labels or member.has_docstring


def _member_kind(member: griffe.Object) -> str:
    if "property" in member.labels:
        return "property"
    return "method" if member.is_function else "attribute"


def _signature(member: griffe.Object) -> str:
    if isinstance(member, griffe.Class):
        init = member.all_members.get("__init__")
        if isinstance(init, griffe.Alias):
            init = init.final_target
        if not isinstance(init, griffe.Function):
            return ""
        return f"({_parameters(init)})"
    if isinstance(member, griffe.Function) and "property" not in member.labels:
        returns = f" -> {member.returns}" if member.returns else ""
        return f"({_parameters(member)}){returns}"
    return ""


def _parameters(function: griffe.Function) -> str:
    parts: list[str] = []
    keyword_only = False
    for one in function.parameters:
        if one.name in ("self", "cls"):
            continue
        kind = one.kind
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(kind, "")
        if kind is griffe.ParameterKind.keyword_only and not keyword_only:
            parts.append("*")
        keyword_only = keyword_only or stars == "*" or kind is griffe.ParameterKind.keyword_only
        text = f"{stars}{one.name}"
        if one.annotation is not None:
            text += f": {one.annotation}"
        if one.default is not None and not stars:
            text += f" = {one.default}"
        parts.append(text)
    return ", ".join(parts)


def _docstring(member: griffe.Object) -> Iterator[str]:
    if member.docstring is None:
        return
    for section in member.docstring.parsed:
        kind = section.kind.value
        if kind == "text":
            yield from [_markdown(section.value), ""]
        elif kind == "admonition":
            yield from [f"**{section.title or section.value.kind}**", "", _markdown(section.value.description), ""]
        elif kind in ("parameters", "attributes", "returns", "yields", "raises"):
            yield from [f"**{_LABELS.get(kind, 'Attributes')}**", ""]
            # One paragraph after "Returns:" that griffe has read line by line.
            if kind in ("returns", "yields"):
                yield from [_markdown(" ".join(one.description for one in section.value)), ""]
                continue
            for one in section.value:
                name = str(one.annotation) if kind == "raises" else one.name
                yield f"- `{name}`: " + _markdown(one.description).replace("\n", "\n  ")
            yield ""


def _markdown(text: str) -> str:
    """Docstrings as Markdown: `<name>` is no HTML, an indented block is code."""
    blocks = []
    for number, block in enumerate(_split_code(text)):
        if number % 2:
            blocks.append(block)
        else:
            parts = _CODE.split(block)
            blocks.append("".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts))
    return "".join(blocks)


def _split_code(text: str) -> list[str]:
    """Text and indented code in turn."""
    pieces, at = [], 0
    for match in _INDENTED.finditer(text):
        pieces += [text[at : match.start()], match.group()]
        at = match.end()
    return [*pieces, text[at:]]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("public-names", PublicNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
