"""
The pictures of docs/screenshots: a campaign through a real Airflow, another through a real Prefect, in a real browser.

    python tests/documentation/screenshots.py .venvs/airflow/bin/python .venvs/prefect/bin/python

`make screenshots` calls it. Pages of servers change with their versions and with the hour, so no test compares these.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from demo.airflow_deployment import Deployment
from demo.journey import Journey
from demo.prefect_server import PrefectServer

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
RECIPIENTS = 400
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--no-proxy-server"]
APPROVED = """
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

from esms_connectors.airflow.operators import ZnsBulkOperator

with DAG("approved_campaign", schedule=None):
    campaign = {{
        "source": "{customers}",
        "template_params": ["customer_name", "service", "code", "date"],
        "run_key": "approved",
    }}
    plan = ZnsBulkOperator(task_id="plan", dry_run=True, **campaign)
    counts = "{{{{ ti.xcom_pull('plan')['to_send'] }}}} messages, {{{{ ti.xcom_pull('plan')['cost_vnd'] }}}} VND"
    approve = ApprovalOperator(task_id="approve", subject=f"Send {{counts}}?", body="Plan: " + counts, params={{}})
    plan >> approve >> ZnsBulkOperator(task_id="send", plan=plan.output, **campaign)
"""


def shoot(page: Page, name: str, shown: str | None = None) -> None:
    """As it stands a moment after `shown` is there; a page that never rests is shot as it is after a while."""
    if shown is not None:
        page.get_by_text(shown, exact=True).last.wait_for()
    page.wait_for_timeout(2_500)
    page.screenshot(path=FOLDER / f"{name}.png")


def connection_form(page: Page, url: str) -> None:
    page.goto(f"{url}/connections")
    page.get_by_role("button", name="Add Connection").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[name=connection_id]").fill("esms_default")
    dialog.get_by_role("combobox").fill("eSMS")
    page.get_by_role("option", name="eSMS.vn").click()
    dialog.get_by_role("button", name="Extra Fields", exact=True).click()
    shoot(page, "airflow-connection")


def approval(page: Page, airflow: Deployment) -> None:
    airflow.wait_until_known("approved_campaign")
    run_id = airflow.trigger("approved_campaign")
    for _ in range(120):
        if airflow.states("approved_campaign", run_id).get("approve") in ("deferred", "awaiting_input"):
            break
        page.wait_for_timeout(1_000)
    page.goto(f"{airflow.url}/dags/approved_campaign/runs/{run_id}/tasks/approve/required_actions")
    shoot(page, "airflow-approval", shown="Approve")


def airflow_pages(page: Page, airflow: Deployment, journey: Journey) -> None:
    connection_form(page, airflow.url)
    runs = airflow.call("GET", "/api/v2/dags/first_campaign/dagRuns")["dag_runs"]
    page.goto(f"{airflow.url}/dags/first_campaign/runs/{runs[0]['dag_run_id']}")
    page.locator("tbody a").first.wait_for()
    shoot(page, "airflow-run")
    dag = journey.output / "airflow" / "dags" / "approved_campaign.py"
    dag.write_text(APPROVED.format(customers=journey.output / "customers-airflow.csv"), encoding="utf-8")
    approval(page, airflow)


def prefect_pages(page: Page, prefect: PrefectServer) -> None:
    page.goto(f"{prefect.url}/runs")
    shoot(page, "prefect-runs")
    page.goto(f"{prefect.url}/artifacts")
    shoot(page, "prefect-artifacts")


def main(airflow: str, prefect: str) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("There is no Chromium on this machine: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Journey(Path(folder), recipients=RECIPIENTS, tell=lambda *_: None) as journey,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=_FLAGS) as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        airflow_pages(page, journey.run_airflow(airflow), journey)
        prefect_pages(page, journey.run_prefect(prefect))
        journey.finish()
        page.goto((journey.output / "bao-cao.html").as_uri())
        shoot(page, "report-vi")


if __name__ == "__main__":
    main(*map(os.path.abspath, sys.argv[1:3]))
