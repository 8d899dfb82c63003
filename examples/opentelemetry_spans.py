"""OpenTelemetry by event hooks: a span a request, the phases of its connection as events, its trace passed on.

Run it: `python examples/opentelemetry_spans.py` asks a server on loopback and prints the span.
Needs `pip install opentelemetry-sdk`. Names of attributes: OpenTelemetry's semantic conventions for HTTP clients.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from eyesocket import http

NANOSECONDS = 1_000_000_000


def begin(tracer: trace.Tracer, request: http.Request) -> None:
    """Start the span of a request and put its trace into the request's headers."""
    url = request.url
    span = tracer.start_span(
        request.method,
        kind=SpanKind.CLIENT,
        attributes={
            "http.request.method": request.method,
            # Never with its userinfo, nor with a token of its query.
            "url.full": url.copy_with(username="", password="").shown,
            "server.address": url.host,
            "server.port": url.port or {"http": 80, "https": 443}[url.scheme],
        },
    )
    inject(request.headers, context=set_span_in_context(span))
    request.extensions["span"] = span


def finish(response: http.Response) -> None:
    """End the span with what the response tells."""
    span: Span = response.request.extensions["span"]
    span.set_attribute("http.response.status_code", response.status)
    span.set_attribute("network.protocol.version", response.http_version.removeprefix("HTTP/"))
    span.set_attribute("http.request.resend_count", len(response.history))
    timings = response.timings
    began = span.start_time  # type: ignore[attr-defined]  # of the SDK's spans
    for phase, seconds in timings.to_dict().items():
        if isinstance(seconds, float):
            span.add_event(phase, timestamp=began + int(seconds * NANOSECONDS))
    if response.is_error:
        span.set_attribute("error.type", str(response.status))
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def fail(request: http.Request, error: BaseException) -> None:
    """End the span of a request that got no response."""
    span: Span = request.extensions["span"]
    span.set_attribute("error.type", type(error).__qualname__)
    span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, str(error)))
    span.end()


def hooks(tracer: trace.Tracer) -> dict[str, list[Callable[..., Any]]]:
    """Give the event hooks for a `Client`."""
    return {"request": [lambda request: begin(tracer, request)], "response": [finish], "error": [fail]}


def async_hooks(tracer: trace.Tracer) -> dict[str, list[Callable[..., Any]]]:
    """Give the event hooks for an `AsyncClient`."""

    def awaited(hook: Callable[..., None]) -> Callable[..., Any]:
        async def run(*words: Any) -> None:
            hook(*words)

        return run

    return {kind: [awaited(hook) for hook in given] for kind, given in hooks(tracer).items()}


class Hello(BaseHTTPRequestHandler):
    """A server that says hello, and which trace it was told."""

    def do_GET(self) -> None:
        """Answer."""
        body = f"hello, {self.headers['traceparent']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: Any) -> None:  # noqa: A002
        """Say nothing."""


def main() -> None:
    """Trace one request to a server of our own."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with http.Client(event_hooks=hooks(provider.get_tracer("example"))) as client:
            print(client.get(f"http://127.0.0.1:{server.server_port}/").text)
        server.shutdown()


if __name__ == "__main__":
    main()
