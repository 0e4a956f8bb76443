"""A real SMTP server on loopback that records messages, with STARTTLS, AUTH and scripted failures."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message


@dataclass
class SmtpServer:
    """What the server does and what it received."""

    port: int = 0
    context: ssl.SSLContext | None = None  # offers STARTTLS
    password: str | None = None  # requires AUTH PLAIN
    refuse_recipients: int | None = None  # status for RCPT
    loses_answers: bool = False  # closes the connection after the data
    stall: threading.Event | None = None  # waits for it after the data
    arrived: threading.Event = field(default_factory=threading.Event)
    messages: list[Message] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)


@contextmanager
def smtp_server(server: SmtpServer) -> Iterator[SmtpServer]:
    """Serve until the end of the block."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with ExitStack() as stack, suppress(ssl.SSLError):  # a client may refuse the certificate
                _converse(self, server, stack)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as tcp:
        tcp.daemon_threads = True
        server.port = tcp.server_address[1]
        threading.Thread(target=tcp.serve_forever, daemon=True).start()
        yield server
        tcp.shutdown()


def _converse(handler: socketserver.StreamRequestHandler, server: SmtpServer, stack: ExitStack) -> None:
    reader, connection = handler.rfile, handler.connection
    is_encrypted = False
    is_known = server.password is None

    def say(text: str) -> None:
        connection.sendall(f"{text}\r\n".encode())

    say("220 ready")
    while line := reader.readline():
        verb, _, rest = line.decode().strip().partition(" ")
        match verb.upper():
            case "EHLO" | "HELO":
                offers = ["AUTH PLAIN"] if server.password else []
                offers += ["STARTTLS"] if server.context and not is_encrypted else []
                for text in ["250-loopback", *(f"250-{offer}" for offer in offers), "250 8BITMIME"]:
                    say(text)
            case "STARTTLS" if server.context:
                say("220 go")
                tls = server.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                connection = stack.enter_context(tls)
                tls.do_handshake()
                reader, is_encrypted = stack.enter_context(connection.makefile("rb")), True
            case "AUTH":
                is_known = base64.b64decode(rest.rpartition(" ")[2]).decode().endswith(f"\0{server.password}")
                say("235 welcome" if is_known else "535 no")
            case "MAIL":
                say("250 ok" if is_known else "530 authenticate")
            case "RCPT":
                say(f"{server.refuse_recipients} no" if server.refuse_recipients else "250 ok")
            case "DATA":
                say("354 go on")
                content = bytearray()
                while (part := reader.readline()) not in (b".\r\n", b""):
                    content += part.removeprefix(b".") if part.startswith(b"..") else part
                server.messages.append(message_from_bytes(bytes(content)))
                server.encrypted.append(is_encrypted)
                server.arrived.set()
                if server.stall:
                    server.stall.wait(30)
                if server.loses_answers or server.stall:
                    return
                say("250 queued")
            case "QUIT":
                say("221 bye")
                return
            case _:
                say("250 ok")
