"""The example DAGs and flows that `esms examples` lists and copies."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.paths import kind_at

_HERE = Path(__file__).parent
# In a wheel they are next to this file; in the repository they have separate folders.
_FOLDERS = {"dags": "dags_examples", "flows": "flows_examples"}


@dataclass(frozen=True, slots=True)
class Example:
    """
    One file.

    Attributes:
        name: such as `dags/first_campaign`; a file that is not Python keeps its suffix, such as `flows/prefect.yaml`.
        about: what it does, on one line.
    """

    name: str
    path: Path
    about: str

    @property
    def kind(self) -> str:
        return self.name.partition("/")[0]

    @property
    def short_name(self) -> str:
        return self.name.partition("/")[2]


def all_examples() -> list[Example]:
    """DAGs first, each kind sorted by name."""
    found = []
    for kind, folder in _FOLDERS.items():
        packed = _HERE / kind
        place = packed if packed.is_dir() else _HERE.parents[1] / folder
        for path in sorted(place.glob("*")):
            if path.suffix in (".py", ".yaml"):
                name = path.stem if path.suffix == ".py" else path.name
                found.append(Example(f"{kind}/{name}", path, _about(path)))
    return found


def _about(path: Path) -> str:
    """The first line of the file's docstring or comment."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
    return text.partition("\n")[0].lstrip("# ").rstrip()


def choose(names: Iterable[str], examples: list[Example]) -> list[Example]:
    """
    The examples of these names (`dags/first_campaign`, the short name if it is unique, or `dags` for all of a kind),
    and the examples that they import.

    Raises:
        InvalidRequestError: a name is unknown or ambiguous.
    """
    chosen: dict[str, Example] = {}
    for name in names:
        wanted = name.strip().rstrip("/")
        wanted = wanted.removesuffix(".py")
        found = [one for one in examples if wanted in (one.name, one.kind)]
        found = found or [one for one in examples if one.short_name == wanted]
        if not found:
            raise InvalidRequestError(f"There is no example {name!r}. `esms examples` lists them.", field="name")
        if wanted not in _FOLDERS and len(found) > 1:
            both = " or ".join(one.name for one in found)
            raise InvalidRequestError(f"{name!r} is the name of {len(found)} examples: give {both}.", field="name")
        chosen |= {one.name: one for example in found for one in [example, *_imported(example, examples)]}
    return list(chosen.values())


def _imported(example: Example, examples: list[Example]) -> list[Example]:
    if example.path.suffix != ".py":
        return []
    tree = ast.parse(example.path.read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return [one for one in examples if one.kind == example.kind and one.short_name in modules]


def copy_examples(chosen: list[Example], folder: Path, *, overwrite: bool) -> list[Path]:
    """
    Copy them into a folder, which is created; if both kinds are among them, into its subfolders `dags` and `flows`.
    Nothing is copied if one of them may not be copied.

    Returns:
        The new files.

    Raises:
        InvalidRequestError: a file exists already and may not be overwritten.
        ConfigurationError: the folder cannot be written to.
    """
    several_kinds = len({one.kind for one in chosen}) > 1
    targets = {one: (folder / one.kind if several_kinds else folder) / one.path.name for one in chosen}
    there = [target for target in targets.values() if kind_at(target) != "nothing" or target.is_symlink()]
    if there and not overwrite:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise InvalidRequestError(
            f"{there[0]}{more} already exists, nothing was copied. Choose another --to, or --overwrite.", field="to"
        )
    try:
        for one, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(one.path, target)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or folder} cannot be written to: {error.strerror or error}."
        ) from None
    return list(targets.values())
