"""
A plugin that receives eSMS callbacks on Airflow's API server; disabled until `[esms] callback_token` is set.

A message in a final state becomes an event of the asset `CALLBACKS` after its state was confirmed at the gateway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset

from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook, configured

try:
    from airflow.sdk.plugins_manager import AirflowPlugin
except ImportError:  # before Airflow 3.2
    from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from esms_connectors.delivery.callbacks import Confirmed
    from esms_connectors.gateway.client import EsmsClient

CALLBACKS = Asset(name="esms_callbacks", uri="esms://rest.esms.vn/callbacks")
"""For the schedule of DAGs; the extra of its events has message ids and counts by state, no phone."""


class EsmsCallbackPlugin(AirflowPlugin):
    """
    `GET /esms/callback/<token>` on the API server. It is protected by the token, not by Airflow's login.

    The API server's workers do not share memory, so a repeated callback may become two events.
    """

    name = "esms_callbacks"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = []

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        """Every component loads plugins, but only the API server calls the application."""
        token = configured("callback_token")
        if token is None:
            cls.fastapi_apps = []
            return
        from esms_connectors.delivery.callbacks import CallbackReceiver, Confirmations

        receiver = CallbackReceiver(token, Confirmations(_connect, _announce))
        cls.fastapi_apps = [{"app": receiver, "url_prefix": "/esms", "name": "eSMS callbacks"}]


def _connect() -> EsmsClient:
    return EsmsHook(configured("callback_conn_id") or DEFAULT_CONN_ID).get_conn()


def _announce(confirmed: Confirmed) -> None:
    """Create an event of the asset, as the REST API does; nothing happens if no DAG uses the asset."""
    from airflow.assets.manager import asset_manager
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    known = AssetModel.name == CALLBACKS.name, AssetModel.uri == CALLBACKS.uri
    with create_session() as session:
        asset = session.scalar(select(AssetModel).where(*known))
        if asset is not None:
            extra = {"from_callback": True, **confirmed.as_dict()}
            # No team: with teams enabled, this only starts DAGs that accept events without a team.
            asset_manager.register_asset_change(
                asset=asset, extra=extra, source_is_api=True, api_user_teams=set(), session=session
            )
