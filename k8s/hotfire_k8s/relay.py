"""Carries connections from addresses that pods reach to one that only this machine does."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

CHUNK = 1 << 16


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction until its end, and hand the end on; the other may go on."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def serve(listen: list[str], target: str) -> None:
    """Listen on every `address:port` and connect each client to the target, until cancelled."""
    host, _, port = target.rpartition(":")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
        far_writer.close()
        writer.close()

    servers = []
    for place in listen:
        address, _, number = place.rpartition(":")
        servers.append(await asyncio.start_server(accept, address, int(number)))
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> int:
    """Carry until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("listen", nargs="+", metavar="ADDRESS:PORT")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.listen, arguments.to))
    return 0


if __name__ == "__main__":
    sys.exit(main())
