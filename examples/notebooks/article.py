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
# # Socket programming in practice, live
#
# The article's chapters in their order, on real sockets of this machine. Everything stays on loopback. A notebook from
# this text: `jupytext --to ipynb article.py`, or "Open with → Notebook" where jupytext is installed in JupyterLab.

# %%
import tempfile
import threading
import time
from contextlib import closing

from eyesocket import framing, http, ping, socket, ss, tcp
from eyesocket.article import _site as site
from eyesocket.article.ping import checksum, create_packet
from eyesocket.article.tcp_echo_with_pitfall.safe_socket import safe_recv, safe_send

# %% [markdown]
# ## What a socket is
#
# An address and a protocol. One machine has one socket of each kind: TCP port N and UDP port N are two sockets, the
# same one twice is an error.

# %%
stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
stream.bind(("127.0.0.1", 0))
port = stream.getsockname()[1]
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagram.bind(("127.0.0.1", port))
with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as twice:
    try:
        twice.bind(("127.0.0.1", port))
    except OSError as error:
        print("the same socket twice:", error)
        print(socket.explain(error))
    else:
        raise AssertionError("two TCP sockets were bound to one address")
stream.close()
datagram.close()


# %% [markdown]
# ## TCP echo
#
# The server binds, listens, accepts; the client connects. Here the server runs in a thread.


# %%
def echo_once(listener: socket.socket) -> None:
    """Serve one client: send back what comes, until it closes."""
    connection, address = listener.accept()
    print("new client from {}:{}".format(*address))
    with connection:
        while message := connection.recv(1024):
            connection.sendall(message)


with socket.create_server(("127.0.0.1", 0)) as listener:
    server = threading.Thread(target=echo_once, args=(listener,))
    server.start()
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"hello socket world")
        answer = client.recv(1024)
    server.join()
answer

# %% [markdown]
# ## UDP echo
#
# No connection, no listen; each datagram says from whom it is.

# %%
with (
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server_side,
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client_side,
):
    server_side.bind(("127.0.0.1", 0))
    client_side.sendto(b"hello udp socket", server_side.getsockname())
    data, sender = server_side.recvfrom(1024)
    server_side.sendto(data, sender)
    data, origin = client_side.recvfrom(1024)
    print("receive data:[{}] from {}:{}".format(data.decode(), *origin))

# %% [markdown]
# ## Pitfall: return values
#
# `send` and `recv` move what fits the buffers now, which may be less than was asked for.

# %%
ours, theirs = socket.socketpair()
with ours, theirs:
    ours.settimeout(0)
    megabyte = bytes(1 << 20)
    sent = ours.send(megabyte)
    print(f"send took {sent} of {len(megabyte)} bytes")
    assert sent < len(megabyte)

# %% [markdown]
# So both need a loop. With a reader at the other end, the loop brings everything over:

# %%
ours, theirs = socket.socketpair()
with ours, theirs:
    writer = threading.Thread(target=safe_send, args=(ours, megabyte))
    writer.start()
    received = safe_recv(theirs, len(megabyte))
    writer.join()
print(len(received), "bytes")
assert received == megabyte

# %% [markdown]
# The buffer can be set; the kernel makes of it what it likes (Linux doubles it).

# %%
with socket.socket() as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    print(sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))

# %% [markdown]
# ## Pitfall: TCP has no framing
#
# Two sends, one recv:

# %%
ours, theirs = socket.socketpair()
with ours, theirs:
    ours.send(b"hello")
    ours.send(b"hello")
    together = theirs.recv(1024)
print(together)
assert together == b"hellohello"

# %% [markdown]
# The cure is a codec that says where a message ends:

# %%
ours, theirs = socket.socketpair()
with framing.wrap(ours, framing.LengthPrefixed(4)) as left, framing.wrap(theirs, framing.LengthPrefixed(4)) as right:
    left.send(b"hello")
    left.send(b"hello")
    apart = [right.recv(), right.recv()]
print(apart)
assert apart == [b"hello", b"hello"]

# %% [markdown]
# ## TCP's state machine
#
# Opening and closing are active on one side and passive on the other. `tcp.state` asks the kernel where a socket is; in
# a notebook a state shows itself in the graph, with the arrows that can follow in blue.

# %%
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
tcp.state(client)

# %% [markdown]
# Now the client closes its direction. Its FIN and the ACK go over; it waits for the other's FIN:

# %%
client.shutdown(socket.SHUT_WR)
assert server.recv(1) == b""
limit = time.monotonic() + 5
while tcp.state(client) is tcp.State.FIN_WAIT_1 and time.monotonic() < limit:
    time.sleep(0.001)  # the acknowledgment may take 40 ms (delayed ACK)
tcp.diagram(listener, client=client, server=server)

# %%
assert (tcp.state(client), tcp.state(server)) == (tcp.State.FIN_WAIT_2, tcp.State.CLOSE_WAIT)

# %% [markdown]
# The server closes too. The one who closed first, the client, holds TIME_WAIT for 2 MSL (60 s on Linux):

# %%
address, peer = client.getsockname(), client.getpeername()
server.close()
client.recv(1)
client.close()
waiting = ss(f"state time-wait sport = :{address[1]} dport = :{peer[1]}")
waiting

# %%
(row,) = waiting
assert row.state is tcp.State.TIME_WAIT
row.state

# %% [markdown]
# If the server had closed first, its port would be held; `SO_REUSEADDR` lets it come back at once
# (`python -m eyesocket.article.time_wait` shows both orders).

# %%
address = listener.getsockname()
client = socket.create_connection(address)
server, _ = listener.accept()
listener.close()
server.close()
client.recv(1)
client.close()
for reuse in (0, 1):
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            again.bind(address)
            print(f"SO_REUSEADDR={reuse}: bound")
        except OSError as error:
            print(f"SO_REUSEADDR={reuse}: {error}")

# %% [markdown]
# ## An HTTP user agent
#
# By hand, one `recv` is not the reply; `http.get` reads by Content-Length or by chunks.

# %%
with site.site(tls=False) as port:
    with socket.create_connection(("127.0.0.1", port)) as by_hand:
        by_hand.sendall(b"GET /long HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        first = by_hand.recv(4096)
    page = http.get(f"http://127.0.0.1:{port}/long")
print(first.split(b"\r\n\r\n")[0].decode())
print("one recv:", len(first), "bytes; the page:", len(page.content), "bytes")
assert page.content == site.LONG
page

# %% [markdown]
# ## UNIX-domain sockets
#
# The same API, an address that is a path.

# %%
with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
    listener.bind(f"{folder}/echo")
    listener.listen()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{folder}/echo")
        server, _ = listener.accept()
        with server:
            client.sendall(b"hello unix domain socket")
            print("at", listener.getsockname(), "came", server.recv(1024))

# %% [markdown]
# ## ping
#
# Neither TCP nor UDP: ICMP. A packet with its checksum in place sums up to zero.

# %%
packet = create_packet(0x1234)
print(packet[:8].hex(" "), "| sum:", checksum(packet))
assert checksum(packet) == 0
try:
    result = ping("127.0.0.1", count=3, interval=0.05)
except PermissionError as refused:
    result = refused
    print(refused)
result

# %% [markdown]
# ## netstat and ss
#
# The article's `ss -o state time-wait -n`, and its `state` and `exclude`, as data:

# %%
ss("state time-wait")[:10]  # | head

# %%
[(entry["local_port"], entry["timer_expires_s"]) for entry in ss("exclude listening", tcp=True).to_dicts()][:5]
