# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Sockets you can see
#
# The chapters of `eyesocket tour`, to be tried with your own hands. All of it happens on this machine: sockets on
# loopback, and what the kernel knows about them. Open this file as a notebook with Jupytext.

# %%
import tempfile
import threading
from pathlib import Path

from eyesocket import http, socket, ss, tcp

# %% [markdown]
# ## A listener, a client, and the kernel's view of both
#
# `listen` makes a passive socket. `connect` makes the handshake; the kernel completes it before anybody calls `accept`.

# %%
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
client = socket.create_connection(("127.0.0.1", port))
server, address = listener.accept()
rows = ss(f"sport = :{port} or dport = :{port}", all=True)
assert {row.state for row in rows} >= {tcp.State.LISTEN, tcp.State.ESTABLISHED}
rows

# %% [markdown]
# ## A stream has no messages
#
# Two sends, one recv: the bytes keep their order and nothing else.

# %%
client.sendall(b"first")
client.sendall(b"second")
received = b""
while len(received) < 11:
    received += server.recv(1024)
assert received == b"firstsecond"
received

# %% [markdown]
# ## The eleven states, on this very connection
#
# The server closes first. Its FIN makes the client CLOSE-WAIT, and the server waits in FIN-WAIT-2 for the client's.

# %%
before = tcp.state(client), tcp.state(server)
assert before == (tcp.State.ESTABLISHED, tcp.State.ESTABLISHED)
server.shutdown(socket.SHUT_WR)
assert client.recv(1) == b""
tcp.state(client)

# %%
tcp.state(server)

# %% [markdown]
# Who closes first holds TIME-WAIT, for a minute, although its program has forgotten the socket.

# %%
client.close()
assert server.recv(1) == b""
server.close()
waiting = ss(f"state time-wait sport = :{port}")
assert len(waiting) == 1
waiting

# %% [markdown]
# `SO_REUSEADDR`, which `create_server` sets, lets a server come back to this port all the same.

# %%
listener.close()
again = socket.create_server(("127.0.0.1", port))
assert again.getsockname()[1] == port
again.close()

# %% [markdown]
# ## Datagrams are messages
#
# UDP has no connection and no states. A datagram arrives whole or not at all.

# %%
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.sendto(b"first", receiver.getsockname())
sender.sendto(b"second", receiver.getsockname())
datagrams = [receiver.recv(1024), receiver.recv(1024)]
assert datagrams == [b"first", b"second"]
sender.close()
receiver.close()
datagrams

# %% [markdown]
# ## An address can be a path

# %%
with tempfile.TemporaryDirectory() as folder:
    path = str(Path(folder) / "socket")
    with socket.socket(socket.AF_UNIX) as near, socket.socket(socket.AF_UNIX) as far:
        near.bind(path)
        near.listen()
        far.connect(path)
        accepted, _ = near.accept()
        with accepted:
            far.sendall(b"hello")
            hello = accepted.recv(5)
assert hello == b"hello"
hello

# %% [markdown]
# ## HTTP is text on such a stream
#
# A server of one answer, by hand; and the user agent that reads it.

# %%
site = socket.create_server(("127.0.0.1", 0))


def answer() -> None:
    """Read a request head, send a response, close."""
    connection, _ = site.accept()
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\nhello socket world")


thread = threading.Thread(target=answer)
thread.start()
response = http.get(f"http://127.0.0.1:{site.getsockname()[1]}/", timeout=30)
thread.join()
site.close()
assert (response.status, response.content) == (200, b"hello socket world")
response

# %%
response.timings

# %% [markdown]
# ## ping
#
# ICMP needs a right that not every machine gives. Without it the error says what would grant it.

# %%
from eyesocket import ping  # noqa: E402

try:
    result = ping("127.0.0.1", count=3, interval=0.2)
    assert result.received == 3
except PermissionError as error:
    result = error
result
