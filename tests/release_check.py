"""
What an index and a user get, before it is published: `make release-check`.

    python tests/release_check.py FOLDER PYTHON

FOLDER has the built wheel and sdist. Each extra is installed into an environment of its own, where what it promises is
tried; what is missing in a bare one must be told in one line that names the right extra.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = os.environ.get("UV", "uv")
ESMS = "esms"

_OPEN = "from esms_connectors.warehouse import open_warehouse as o; o({!r})"
PROMISED = {
    "": "import esms_connectors, esms_connectors.sending; esms_connectors.EsmsClient",
    "ledger": "from esms_connectors.ledger import Ledger; Ledger.open('l.sqlite').close()",
    "ledger-postgres": "from esms_connectors.ledger.engines import engine_for; engine_for('postgresql://db/ledger')",
    "duckdb": "from esms_connectors.warehouse import open_warehouse as o; o('duckdb:///w.duckdb').prepare(); "
    "import esms_connectors.reports.finding, esms_connectors.reports.person, esms_connectors.reports.writing",
    "postgres": _OPEN.format("postgresql://db/warehouse"),
    "mysql": _OPEN.format("mysql://etl@db/warehouse"),
    "files": "from esms_connectors.warehouse import open_warehouse as o; o('rows?format=parquet').prepare()",
    "dlt": "import esms_connectors.warehouse.dlt_destination",
    "excel": "import python_calamine",
    "reports": "import esms_connectors.reports.html",
    "emulator": "from esms_connectors.emulator import Emulator, EmulatorServer; EmulatorServer(Emulator())",
    "cli": ESMS,
    "all": ESMS,
    "airflow": "import esms_connectors.airflow.operators, esms_connectors.airflow.sensors",
    "prefect": "from esms_connectors.prefect import zns_campaign, EsmsCredentials",
}
# Checked by targets of their own: `test-bigquery`, `test-ray`, and the tests of Prefect.
ELSEWHERE = {"bigquery", "ray", "dask"}
MISSING = {  # in an environment of [cli]
    "esms emulator": "emulator",
    "esms demo": "emulator",
    "esms pull --into w.duckdb": "duckdb",
    "esms pull --into postgresql://db/warehouse": "postgres",
    "esms sql x --into postgresql://db/warehouse": "postgres",
    "esms marts --into postgresql://db/warehouse": "postgres",
    "esms pull --into mysql://etl@db/warehouse": "mysql",
    "esms pull --into dlt://duckdb": "dlt",
    "esms coverage --into s3://bucket/rows?format=csv": "files",
    "esms ledger runs --ledger postgresql://db/ledger": "ledger-postgres",
}
MISSING_AT_ALL = {  # in a bare one
    "esms check": "cli",
    "python -c 'from esms_connectors.ledger import Ledger; Ledger.open(\"l.sqlite\")'": "ledger",
    "python -c 'from esms_connectors.reports import render_report; render_report(None, \".md\")'": "reports",
    "python -c 'from esms_connectors.emulator import Emulator; Emulator()'": "emulator",
    "python -c 'import esms_connectors.airflow.operators'": "airflow",
    "python -c 'import esms_connectors.prefect'": "prefect",
}


def main(folder: Path, python: str) -> int:
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    problems = [*_versions(wheel, sdist), *_links(wheel)]
    extras = _declared(wheel)
    problems += [f"[{extra}] is tried nowhere" for extra in sorted(extras ^ ({*PROMISED, *ELSEWHERE} - {""}))]
    with tempfile.TemporaryDirectory(prefix="esms-release-") as place:
        for extra, promise in PROMISED.items():
            problems += _installed(Path(place), wheel, python, extra, promise)
    for problem in problems:
        print(f"  {problem}")
    print(f"{len(problems)} problems")
    return bool(problems)


def _versions(wheel: Path, sdist: Path) -> list[str]:
    version = wheel.name.split("-")[1]
    head = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    problems = [] if sdist.name.endswith(f"-{version}.tar.gz") else [f"wheel {version}, sdist {sdist.name}"]
    if head is None or head[1] != version:
        problems.append(f"the version is {version}, and the changelog begins with {head and head[1]}")
    return problems


def _metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return archive.read(name).decode()


def _declared(wheel: Path) -> set[str]:
    return set(re.findall(r"^Provides-Extra: (\S+)$", _metadata(wheel), re.M))


def _links(wheel: Path) -> list[str]:
    """An index shows the page alone: links are whole, or to a heading of it; those into this repository are there."""
    page = _metadata(wheel).partition("\n\n")[2]
    anchors = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in re.findall(r"^#+ (.*)$", page, re.M)}
    problems = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page):
        _, ours, path = link.partition("/blob/main/")
        if link.startswith("#"):
            if link[1:] not in anchors:
                problems.append(f"no heading of the page is {link}")
        elif not link.startswith("https://"):
            problems.append(f"a link that leads nowhere from an index: {link}")
        elif ours and not (ROOT / path.partition("#")[0]).is_file():
            problems.append(f"a link to a page that is not there: {link}")
    return problems


def _installed(place: Path, wheel: Path, python: str, extra: str, promise: str) -> list[str]:
    """One environment; taken away again, they are big."""
    environment = place / (extra or "bare")
    wanted = f"esms-connectors[{extra}] @ {wheel.resolve().as_uri()}" if extra else str(wheel)
    subprocess.run([UV, "venv", "-q", "--python", python, str(environment)], check=True)
    subprocess.run([UV, "pip", "install", "-q", "--python", str(environment), wanted], check=True)
    (home := place / "home").mkdir(exist_ok=True)
    problems = []

    def run(command: str) -> subprocess.CompletedProcess[str]:
        keys = {"ESMS_API_KEY": "EMULATOR0API0KEY0FOR0LOCAL0TESTS", "ESMS_SECRET_KEY": "EMULATOR0SECRET0KEY0FOR0TESTS"}
        variables = {"PATH": f"{environment}/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", **keys}
        return subprocess.run(
            ["sh", "-c", command], cwd=home, env=variables, capture_output=True, text=True, timeout=300, check=False
        )

    done = run("esms --version && esms --help" if promise is ESMS else f'python -W error -c "{promise}"')
    if done.returncode:
        problems.append(f"[{extra}] does not do what it promises: {done.stderr.strip().splitlines()[-1]}")
    for command, name in (MISSING if extra == "cli" else MISSING_AT_ALL if not extra else {}).items():
        said = run(command).stderr.strip().splitlines()[-1:]
        if not said or f"esms-connectors[{name}]" not in said[0]:
            problems.append(f"without [{name}], {command} says: {' '.join(said)}")
    subprocess.run(["rm", "-rf", str(environment)], check=True)
    print(f"  [{extra}]" + (": see below" if problems else " is right"), flush=True)
    return problems


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
