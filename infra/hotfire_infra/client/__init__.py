"""One door for every verb of the CLI: the Client Protocol and its embedded implementation."""

from hotfire_infra.client.protocol import Client, LogText, WatchEvent

__all__ = ["Client", "LogText", "WatchEvent"]
