"""The relay carries both directions, and an end of one is not the end of the other."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

from hotfire_k8s.home import free_ports


@pytest.fixture
def relayed():
    """A server that answers only when its client has said everything, and a relay to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                said = b""
                while chunk := connection.recv(100):
                    said += chunk
                connection.sendall(said.upper())

        threading.Thread(target=answer, daemon=True).start()
        port = free_ports(["relay"])["relay"]
        target = f"127.0.0.1:{server.getsockname()[1]}"
        argv = [sys.executable, "-m", "hotfire_k8s.relay", "--to", target, f"127.0.0.1:{port}"]
        relay = subprocess.Popen(argv)
        yield port
        relay.kill()
        relay.wait()


def connect(port: int) -> socket.socket:
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            continue


def test_an_answer_comes_after_the_client_has_ended_its_part(relayed):
    with connect(relayed) as client:
        client.sendall(b"all of it")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"ALL OF IT"
        assert client.recv(100) == b""
