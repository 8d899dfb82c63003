"""The recipes beside the notebooks, each run as a user would."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from eyesocket import http

EXAMPLES = Path(__file__).parents[3] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("secure", [False, True])
def test_a_websocket_echoes(secure, authority):
    websocket = example("websocket")
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue())
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            websocket.echo(context.wrap_socket(connection, server_side=True) if context else connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"{'https' if secure else 'http'}://localhost:{listener.getsockname()[1]}/chat"
        big = b"x" * 1_000_000
        with websocket.connect(url, verify=str(authority.file) if secure else True) as chat:
            # Sent by the server together with its 101.
            assert chat.receive() == "hello"
            chat.send("hello socket world")
            assert chat.receive() == "hello socket world"
            chat.send(big)
            got = b""
            while len(got) < len(big):
                got += chat.receive()
            assert got == big
            chat.send(b"")
            assert chat.receive() == b""
        thread.join(10)
        assert not thread.is_alive()


def test_the_websocket_example_runs():
    done = subprocess.run([sys.executable, EXAMPLES / "websocket.py"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\nhello socket world\n", "")


@pytest.fixture
def spans():
    """The exporter that keeps spans, and a tracer that writes to it."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter, provider.get_tracer("test")
    provider.shutdown()


@pytest.mark.parametrize("awaited", [False, True])
def test_spans_of_requests(script, spans, awaited):
    exporter, tracer = spans
    tracing = example("opentelemetry_spans")
    script.play(
        b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    )
    script.play(None)
    url = script.url("/a").replace("http://", "http://user:secret@")

    async def ask_awaiting():
        async with http.AsyncClient(event_hooks=tracing.async_hooks(tracer), follow_redirects=True) as client:
            await client.get(url)
            with pytest.raises(http.RemoteProtocolError):
                await client.post(script.url("/c"), content=b"x")

    def ask():
        with http.Client(event_hooks=tracing.hooks(tracer), follow_redirects=True) as client:
            client.get(url)
            with pytest.raises(http.RemoteProtocolError):
                client.post(script.url("/c"), content=b"x")

    asyncio.run(ask_awaiting()) if awaited else ask()
    first, second = exporter.get_finished_spans()
    assert (first.name, first.kind.name, first.status.status_code.name) == ("GET", "CLIENT", "ERROR")
    assert dict(first.attributes) == {
        "http.request.method": "GET",
        "url.full": script.url("/a"),
        "server.address": "127.0.0.1",
        "server.port": script.port,
        "http.response.status_code": 404,
        "network.protocol.version": "1.1",
        "http.request.resend_count": 1,
        "error.type": "404",
    }
    assert [event.name for event in first.events][-3:] == ["sent", "first_byte", "done"]
    times = [first.start_time, *(event.timestamp for event in first.events)]
    assert times == sorted(times)
    trace, span = first.context.trace_id, first.context.span_id
    assert b"\r\ntraceparent: 00-%032x-%016x-" % (trace, span) in script.requests[0]
    assert (second.name, second.attributes["error.type"]) == ("POST", "RemoteProtocolError")
    assert second.events[0].name == "exception"


def test_a_cancelled_request_ends_its_span(script, spans):
    exporter, tracer = spans
    tracing = example("opentelemetry_spans")

    async def ask():
        async with http.AsyncClient(event_hooks=tracing.async_hooks(tracer)) as client:
            asked = asyncio.create_task(client.get(script.url()))
            while not script.requests:
                await asyncio.sleep(0)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked

    script.play(lambda connection: connection.recv(1))
    asyncio.run(ask())
    assert [span.attributes["error.type"] for span in exporter.get_finished_spans()] == ["CancelledError"]


def test_the_tracing_example_runs():
    done = subprocess.run(
        [sys.executable, EXAMPLES / "opentelemetry_spans.py"], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"http.response.status_code": 200' in done.stdout
    assert "\nhello, 00-" in f"\n{done.stdout}"
