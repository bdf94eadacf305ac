"""The Prefect collection. Prefect imports this module on every start of a server or worker: keep it light."""

from esms_connectors import __version__

# Prefect takes the version of the block schemas from here.
__all__ = ["__version__"]
