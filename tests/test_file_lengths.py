"""Source files stay short enough to be read as a whole."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("esms_connectors", "tests", "demo", "benchmarks", "dags_examples", "flows_examples")
MOST_LINES = 500


def test_no_python_file_is_longer_than_500_lines() -> None:
    files = [file for folder in FOLDERS for file in ROOT.joinpath(folder).rglob("*.py")]
    lengths = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert len(lengths) > 300
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}
