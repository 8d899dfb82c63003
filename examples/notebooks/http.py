# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # HTTP with the wire in sight
#
# Where the time of a request goes, and which of the bytes that came are head, framing and content. The server is in
# this notebook; nothing leaves the machine.

# %%
import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from eyesocket import http

WORDS = [b"one ", b"chunk ", b"after ", b"another"]


class Site(BaseHTTPRequestHandler):
    """A short page, one in chunks that come slowly, one that is elsewhere, one that is packed."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes: without this the second may wait 40 ms for the first one's acknowledgement.
    disable_nagle_algorithm = True

    def answer(self, status, body=b"", **fields):
        """Send head and body."""
        self.send_response(status)
        for name, value in {"Content_Length": len(body), **fields}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        """Answer by path."""
        if self.path == "/slow":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for word in WORDS:
                time.sleep(0.02)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(word), word))
            self.wfile.write(b"0\r\nX-Checksum: none\r\n\r\n")
        elif self.path == "/moved":
            self.answer(302, Location="/", Set_Cookie="seen=yes; HttpOnly")
        elif self.path == "/packed":
            self.answer(200, gzip.compress(b"many words " * 500), Content_Encoding="gzip", Content_Type="text/plain")
        else:
            self.answer(200, b"a short page for " + self.headers.get("Cookie", "a stranger").encode())

    def log_message(self, *words):
        """Say nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
# Two of the clients below leave before they have heard all.
server.handle_error = lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()
site = f"http://127.0.0.1:{server.server_port}"

# %% [markdown]
# ## A response shows itself
#
# The last value of a cell is drawn: status, size, and a waterfall of the phases; the bytes unfold below it.

# %%
client = http.Client(trust_env=False)
first = client.get(f"{site}/")
assert first.status == 200
first

# %% [markdown]
# `timings` are the same phases as numbers: seconds since the request began, None for what did not happen. The second
# request has no connection to make.

# %%
second = client.get(f"{site}/")
assert second.timings.reused
assert second.timings.connect is None
print("first: ", first.timings)
print("second:", second.timings)

# %% [markdown]
# ## The bytes themselves
#
# `wire` is what was sent and what came. In colours: the head, the framing (here each chunk's size and the trailer), and
# the content between.

# %%
slow = client.get(f"{site}/slow")
assert slow.content == b"".join(WORDS)
assert slow.trailers["X-Checksum"] == "none"
assert len(slow.wire.content) == len(WORDS)
slow.wire

# %% [markdown]
# Each piece has its time: the server waited before each chunk, and that is seen.

# %%
for piece in slow.wire.pieces:
    print(f"{piece.at * 1000:7.2f} ms  {'sent' if piece.sent else 'came'} {piece.length:4} bytes")
assert slow.timings.done - slow.timings.first_byte > 0.05
slow

# %% [markdown]
# ## Redirections, cookies, codings
#
# Every answer on the way is kept; the cookie of the first one went with the second request.

# %%
moved = client.get(f"{site}/moved", follow_redirects=True)
assert [early.status for early in moved.history] == [302]
assert moved.text == "a short page for seen=yes"
moved.history[0]

# %%
packed = client.get(f"{site}/packed")
came = sum(end - start for start, end in packed.wire.content)
assert came < len(packed.content) == 5500
print(f"{came} bytes came, {len(packed.content)} are in them")

# %% [markdown]
# ## Bytes as they come
#
# A streamed response is there with its head; the body is read as it comes, here until it is enough.

# %%
with client.stream("GET", f"{site}/slow") as response:
    for piece in response.iter_bytes():
        print(f"{response.status} {piece!r}")
        if piece == b"after ":
            break

# %% [markdown]
# ## A deadline that holds
#
# The body comes in small pieces, none of them late; the whole takes longer than was allowed. What had come is on the
# exception.

# %%
late = None
try:
    client.get(f"{site}/slow", timeout=0.05)
except TimeoutError as error:
    late = error
assert late is not None
assert b"".join(WORDS).startswith(late.partial)
print(type(late).__name__, "with", late.partial)

# %%
client.close()
server.shutdown()
server.server_close()
