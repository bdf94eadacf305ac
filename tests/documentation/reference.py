"""What the reference shows: the public names, by module. Read, not imported: no environment holds both frameworks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHOWN = [
    (module, tuple(names.split()))
    for page in sorted(ROOT.glob("docs/reference/*.md"))
    for module, names in re.findall(r"```\{public-names\} ([\w.]+)(.*)", page.read_text(encoding="utf-8"))
]
"""Modules as the pages have them, with the names that a page chooses."""


def offered_by(module: str) -> tuple[str, ...]:
    """What stands in `__all__` of a module; nothing where it has none."""
    place = ROOT / module.replace(".", "/")
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
    return ()


PUBLIC = {module: frozenset(names or offered_by(module)) for module, names in SHOWN}
