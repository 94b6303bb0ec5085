"""A loop over connected gevent sockets, with or without TLS: what one writes first."""

import socket
import ssl
import subprocess
from pathlib import Path

from scripts.fanout.payload import BytesPayload
from scripts.fanout.publishing import drive, steps
from scripts.fanout.subscribing import attended_tally
from scripts.fanout.task import Task
from scripts.measuring.errors import MeasureError
from scripts.measuring.telling import tell

_LENGTH_BYTES = 4
_BUFFER_BYTES = 65_536


def publish(task: Task) -> None:
    """Send each to one after the other; who does not take it holds up the others."""
    listener = socket.create_server((task.ip, 0), backlog=task.nodes)
    meeting: dict[str, str | int] = {"ip": task.ip, "port": listener.getsockname()[1]}
    context = None
    if task.spec.options.get("tls"):
        certificate, key = make_certificate(Path(task.directory), task.ip)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        meeting["certificate"] = str(certificate)
    tell("started", meeting=meeting)
    connections = []
    for _ in range(task.nodes):
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        connections.append(connection)
    tell("met")

    def send(body: bytes) -> None:
        message = len(body).to_bytes(_LENGTH_BYTES, "big") + body
        for connection in connections:
            connection.sendall(message)

    drive(steps(BytesPayload(task.size).make), send)


def subscribe(task: Task) -> None:
    """Take each from the connection."""
    tally = attended_tally()
    ip = task.meeting["ip"]
    connection = socket.create_connection((ip, task.meeting["port"]))
    if "certificate" in task.meeting:
        context = ssl.create_default_context(cafile=task.meeting["certificate"])
        connection = context.wrap_socket(connection, server_hostname=ip)
    tell("started")
    tell("met")
    with connection.makefile("rb", buffering=_BUFFER_BYTES) as stream:
        while True:
            length = int.from_bytes(stream.read(_LENGTH_BYTES), "big")
            tally.take_bytes(stream.read(length))


def make_certificate(directory: Path, ip: str) -> tuple[Path, Path]:
    """A certificate that it signed itself, and its key, for an hour's work.

    Raises:
        MeasureError: openssl refused.
    """
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-noenc", "-days", "1", "-subj", "/CN=fanout"),
            *("-addext", f"subjectAltName=IP:{ip}", "-keyout", str(key), "-out", str(certificate)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise MeasureError(f"openssl made no certificate: {made.stderr.strip()}")
    return certificate, key
