"""What README and docs say is so: the columns of the tables, the blocks of code."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pendulum
import pytest

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, EmulatorServer
from esms_connectors.warehouse.contract import COLUMNS, TABLES

ROOT = Path(__file__).parent.parent
README, PAGE = ROOT / "README.md", ROOT / "docs" / "warehouse.md"


def table_text() -> str:
    parts = []
    for table, columns in COLUMNS.items():
        lines = [f"**`{table}`**: {TABLES[table]}", "", "| column | what it holds |", "| --- | --- |"]
        lines += [f"| `{column}` | {meaning} |" for column, meaning in columns.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def test_the_page_has_every_column_with_its_meaning() -> None:
    assert table_text() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [README, PAGE], ids=lambda page: page.name)
def test_the_python_block_that_pulls_does_so(
    page: Path, gateway: Emulator, server: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = pendulum.today("Asia/Ho_Chi_Minh")
    gateway.populate(700, start=today.subtract(days=1), end=today)
    monkeypatch.chdir(tmp_path)
    for name, value in (("API_KEY", DEMO_API_KEY), ("SECRET_KEY", DEMO_SECRET_KEY), ("BASE_URL", server.base_url)):
        monkeypatch.setenv(f"ESMS_{name}", value)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    (block,) = [block for block in blocks if "load_sent_messages(" in block]

    exec(compile(block, page.name, "exec"), {})

    with duckdb.connect(str(tmp_path / "esms.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM esms_sent_messages").fetchall() == [(700,)]
