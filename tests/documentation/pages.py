"""One page, read by somebody with nothing but the page: its blocks run in their order, on a machine of its own."""

from __future__ import annotations

import configparser
import contextlib
import io
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

from documentation.code_blocks import ROOT, Block
from documentation.consoles import Console, assert_shown


def run_block(block: Block, console: Console) -> None:
    """Run it as what it is; a language that is not known here fails."""
    if block.language in ("console", "sh"):
        console.run(block)
    elif block.language == "python" and re.search(r"(?m)^def test_", block.text):
        _run_tests(block, console)
    elif block.language == "python":
        _run_python(block, console)
    elif block.language == "ini":
        _check_settings(block)
    elif block.language == "sql":
        _run_sql(block, console)
    else:
        raise AssertionError(f"{block.where}: a block in {block.language!r} is neither run nor marked `not run`")


def _run_python(block: Block, console: Console) -> None:
    """In this process, where the shell of the page stands; each block stands for itself."""
    said = io.StringIO()
    names: dict[str, object] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(said):
        exec(compile(console.filled_in(block.text), block.where, "exec"), names)
    if block.output is not None:
        assert_shown(block.output, said.getvalue(), block.where)


def _run_tests(block: Block, console: Console) -> None:
    """With pytest and the plugin of the emulator, as in a project of the reader's."""
    file = console.folder / f"test_line_{block.line}.py"
    file.write_text(console.filled_in(block.text), encoding="utf-8")
    # The frameworks warn of each other and of themselves.
    warnings = ["-W", "error"] if block.environment == "core" else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *warnings, f"--rootdir={file.parent}", file],
        cwd=console.folder,
        env=console.environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, f"{block.where}: {done.stdout}{done.stderr}"
    assert re.search(r"\d+ passed", done.stdout)
    if block.output is not None:
        assert_shown(block.output, done.stdout, block.where)


def provider_info() -> dict[str, Any]:
    """What Airflow is told; the environment of the core has no Airflow, and the module imports nothing."""
    module = runpy.run_path(str(ROOT / "esms_connectors/airflow/provider_info.py"))
    return dict(module["get_provider_info"]())


def _check_settings(block: Block) -> None:
    """Settings of Airflow, read as it reads them: the options are ours, and no comment became a part of a value."""
    known = provider_info()["config"]
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(block.text)
    for section in parser.sections():
        for option, value in parser[section].items():
            assert option in known[section]["options"], f"{block.where}: [{section}] has no option {option}"
            assert "#" not in value, f"{block.where}: the comment becomes a part of the value of {option}"


def _run_sql(block: Block, console: Console) -> None:
    """On the DuckDB file that the page has filled."""
    import duckdb

    (path,) = Path(console.folder).glob("*.duckdb")
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(console.filled_in(block.text)).fetchall()
    assert rows, f"{block.where} finds nothing"
    if block.output is not None:
        assert_shown(block.output, "\n".join(" ".join(map(str, row)) for row in rows), block.where)
