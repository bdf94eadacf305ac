"""The DAG in the README is one that Airflow takes."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_dag_in_the_readme_is_read_as_it_stands_there() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    (block,) = [block for block in blocks if "with DAG(" in block]
    names: dict[str, object] = {}

    exec(compile(block, "README.md", "exec"), names)

    dag = names["send"].dag  # type: ignore[attr-defined]
    assert dag.task_ids == ["send", "wait"]
    assert dag.get_task("wait").upstream_task_ids == {"send"}
