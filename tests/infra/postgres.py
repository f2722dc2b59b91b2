"""The server of `benchmarks.postgres_server`, under the name that tests know it by."""

from benchmarks.postgres_server import PostgresServer, serve

__all__ = ["PostgresServer", "serve"]
