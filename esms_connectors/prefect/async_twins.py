"""
How a block's method comes in two forms. Prefect's own collections use this private decorator; it is imported here only.
"""

from prefect._internal.compatibility.async_dispatch import async_dispatch

__all__ = ["async_dispatch"]
