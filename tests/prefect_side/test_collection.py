"""The collection as Prefect discovers it. Prefect itself is real and installed."""

import subprocess
import sys

from esms_connectors import __version__


def test_prefect_finds_the_collection() -> None:
    """The entry point loads, and carries the version that block schemas are stored under."""
    from prefect._internal.plugins.collections import load_prefect_collections

    collection = load_prefect_collections()["esms_connectors"]
    assert not isinstance(collection, Exception)
    assert collection.__version__ == __version__


def test_the_collection_imports_no_airflow() -> None:
    """Both frameworks in one process would be a mistake of ours: they cannot share an environment."""
    code = "import sys, esms_connectors.prefect; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
