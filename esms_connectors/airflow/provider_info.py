"""The provider metadata for Airflow. It imports nothing else because every Airflow command loads it."""

from __future__ import annotations

from typing import Any

_INTEGRATION = "eSMS.vn"


def _field(label: str, description: str, kind: str = "string", **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}


CONNECTION: dict[str, Any] = {
    "connection-type": "esms",
    "hook-class-name": "esms_connectors.airflow.hooks.EsmsHook",
    "hook-name": "eSMS.vn",
    "ui-field-behaviour": {
        # The port is shown because the UI of Airflow 3.3 cannot test a connection without one: it asks for port 0.
        "hidden-fields": ["schema", "extra"],
        "relabeling": {"host": "Base URL", "login": "ApiKey", "password": "SecretKey"},
        "placeholders": {"host": "https://rest.esms.vn", "port": "443", "login": "from account.esms.vn, or below"},
    },
    "conn-fields": {
        "api_key": _field("ApiKey (hidden)", "Used instead of the login, which Airflow shows.", format="password"),
        "sandbox": _field("Sandbox", "Messages are checked, not sent.", "boolean", default=False),
        "brandname": _field("Brandname", "Sender of SMS, if a task gives none."),
        "oa_id": _field("OA id", "Zalo Official Account, if a task gives none."),
        "template_id": _field("Template id", "ZNS template, if a task gives none."),
        "callback_url": _field("Callback URL", "URL for delivery reports; {token} is replaced by the callback token."),
        # Airflow hides extras whose names contain token, password, secret or the like, and shows the rest.
        "callback_token": _field(
            "Callback token", "Secret part of the callback URL; [esms] callback_token if empty.", format="password"
        ),
        "connect_timeout_seconds": _field("Connect timeout", "Seconds; 10 if empty.", "number", minimum=0),
        "read_timeout_seconds": _field("Read timeout", "Seconds; 60 if empty.", "number", minimum=0),
        "requests_per_second": _field("Requests per second", "Per worker; no limit if empty.", "number", minimum=0),
        "ledger_conn_id": _field("Ledger connection", "postgres or sqlite; it prevents retries from sending twice."),
        "ledger_url": _field(
            "Ledger URL", "Instead of a connection: sqlite:////file. It is shown, so without a password."
        ),
        "ledger_secret": _field(
            "Ledger secret", "If set, the ledger stores phones as hashes with this key.", format="password"
        ),
        "proxy": _field("Proxy", "URL of an HTTP proxy; the environment's if empty.", format="password"),
        "ca_bundle": _field("CA bundle", "Certificates (PEM) of your own CA: a file on every worker."),
        "guard": _field(
            "Guard", 'Guard settings as JSON, such as {"advertising_hours": "defer"}; `esms guard show` names them.'
        ),
        "alert_phones": _field("Phones for alerts", "Separated by commas; recipients of EsmsNotifier."),
    },
}

_CONFIG = {
    "esms": {
        "description": "eSMS.vn: settings for all tasks of this deployment.",
        "options": {
            "namespace": {
                "description": (
                    "Part of every request id and run key. Set different values if two deployments share an eSMS "
                    "account: otherwise equal ids would hold back each other's messages."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "staging",
                "default": "",
            },
            "ledger_url": {
                "description": "Ledger of tasks and connections without their own: sqlite:////file or postgresql://…",
                "version_added": "0.1.0",
                "type": "string",
                "example": "sqlite:////var/lib/esms/ledger.sqlite",
                "default": "",
                "sensitive": True,
            },
            "report_url": {
                "description": (
                    'Target of the link "eSMS report" of tasks without their own report_url; {dag_id}, {run_id} '
                    "and {task_id} are replaced. The account at eSMS.vn if empty."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": "https://reports.shop.vn/{dag_id}/{run_id}.html",
                "default": "",
            },
            "callback_token": {
                "description": (
                    "Enables the receiver of delivery reports: the API server then accepts them at "
                    "/esms/callback/<token>. A secret of 16 letters, digits, - or _ at least; off if empty."
                ),
                "version_added": "0.1.0",
                "type": "string",
                "example": None,
                "default": "",
                "sensitive": True,
            },
            "callback_conn_id": {
                "description": "The eSMS connection with which reported messages are looked up.",
                "version_added": "0.1.0",
                "type": "string",
                "example": None,
                "default": "esms_default",
            },
        },
    }
}


def get_provider_info() -> dict[str, Any]:
    """Metadata in Airflow's provider schema. An error in it breaks all of Airflow, so a test validates it."""
    return {
        "package-name": "esms-connectors",
        "name": "eSMS.vn",
        "description": "Send SMS and Zalo ZNS through eSMS.vn, wait for delivery, load every status row.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://developers.esms.vn/",
                "how-to-guide": [
                    f"/docs/{page}.md"
                    for page in (
                        "start-airflow",
                        "airflow",
                        "how-to/campaign",
                        "how-to/fallback",
                        "how-to/many-workers",
                        "how-to/daily-export",
                        "how-to/alerts",
                        "how-to/hook",
                    )
                ],
                "logo": "/integration-logos/esms.svg",
                "tags": ["service"],
            }
        ],
        "connection-types": [CONNECTION],
        "sensors": [{"integration-name": _INTEGRATION, "python-modules": ["esms_connectors.airflow.sensors"]}],
        "operators": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [
                    f"esms_connectors.airflow.{module}" for module in ("operators", "ladder", "gateway_call", "reports")
                ],
            }
        ],
        "task-decorators": [{"name": "esms", "class-name": "esms_connectors.airflow.decorators.esms_task"}],
        "extra-links": ["esms_connectors.airflow.links.EsmsReportLink"],
        "triggers": [{"integration-name": _INTEGRATION, "python-modules": ["esms_connectors.airflow.triggers"]}],
        "transfers": [
            {
                "how-to-guide": "/docs/how-to/daily-export.md",
                "source-integration-name": _INTEGRATION,
                "target-integration-name": _INTEGRATION,
                "python-module": "esms_connectors.airflow.transfers",
            }
        ],
        "notifications": ["esms_connectors.airflow.notifications.EsmsNotifier"],
        "plugins": [{"name": "esms_callbacks", "plugin-class": "esms_connectors.airflow.callbacks.EsmsCallbackPlugin"}],
        "asset-uris": [
            {
                "schemes": ["esms"],
                "handler": "esms_connectors.airflow.assets.sanitize_uri",
                "factory": "esms_connectors.airflow.assets.create_asset",
                "to_openlineage_converter": "esms_connectors.airflow.assets.convert_asset_to_openlineage",
            }
        ],
        "hooks": [{"integration-name": _INTEGRATION, "python-modules": ["esms_connectors.airflow.hooks"]}],
        "config": _CONFIG,
    }
