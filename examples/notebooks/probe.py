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
# # Probing: ping, sweep, traceroute
#
# ICMP needs a right: raw sockets, or datagram ICMP sockets (`net.ipv4.ping_group_range`). Without it the error says
# what would grant it, and this notebook goes on by TCP and UDP, which need none.

# %%
import asyncio

from eyesocket import probe

try:
    probe.ping("127.0.0.1", 1)
    icmp = True
except PermissionError as refused:
    icmp = False
    print(refused)

# %% [markdown]
# ## A ping shows itself
#
# Points in order, losses on the ground line, odd answers in another colour; the figures above, the answers below.

# %%
result = (
    probe.ping("127.0.0.1", 50, interval=0.002)
    if icmp
    else probe.ping("127.0.0.1", 50, method="tcp", port=9, interval=0.002)
)
assert result.received == 50
result

# %%
print(result)
print(result.prometheus())

# %% [markdown]
# ## Each answer as it comes
#
# `ping_iter` works with `for` and `async for`; many at once are no trouble.

# %%
how = {} if icmp else {"method": "tcp", "port": 9}


async def three() -> list[probe.PingResult]:
    return await asyncio.gather(*(probe.aping(f"127.0.0.{n}", 5, interval=0.01, **how) for n in (1, 2, 3)))


results = await three()  # noqa: F704 - a notebook has a loop
assert [each.received for each in results] == [5, 5, 5]
results

# %% [markdown]
# ## Very many hosts

# %%
if icmp:
    found = probe.sweep("127.0.0.0/20", rate=None)
    assert found.reasons == {"reply": 4094}
else:
    found = None
found

# %% [markdown]
# ## The way to a host
#
# From here to here it is one hop. Try it on a host of yours: `multipath=True` draws all branches.

# %%
trace = probe.traceroute("127.0.0.1")
assert trace.reached
trace

# %%
probe.path_mtu("127.0.0.1", method="udp")
