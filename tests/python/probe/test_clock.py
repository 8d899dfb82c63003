"""The times that are told, beside those of a packet tap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import network

BESIDE = """
import json, socket, struct, sys, threading
from eyesocket.probe import ping

stamps, ready, stop = {}, threading.Event(), threading.Event()

def tap():
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as packets:
        packets.bind(("right", 0))
        packets.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        packets.settimeout(0.05)
        ready.set()
        while not stop.is_set():
            try:
                data, control, _, _ = packets.recvmsg(2048, 256)
            except TimeoutError:
                continue
            if data[0] >> 4 == 4 and data[9] == 1:
                seconds, nanos = struct.unpack("qq", control[0][2][:16])
                stamps[data[20], struct.unpack("!H", data[26:28])[0]] = seconds * 10**9 + nanos

tapping = threading.Thread(target=tap)
tapping.start()
ready.wait()
# The kernel begins to stamp some time after it is asked to: a ping that waits for that, and is not looked at.
assert ping("10.77.1.2", 3, interval=0.005).clock == "kernel"
while (0, 3) not in stamps:
    stop.wait(0.01)
stamps.clear()
result = ping("10.77.1.2", 30, interval=0.005, **json.loads(sys.argv[1]))
stop.wait(0.2)
stop.set()
tapping.join()
wire = {n: stamps[0, n] - stamps[8, n] for kind, n in stamps if kind == 0 and (8, n) in stamps}
told = {reply.sequence: round(reply.rtt * 10**9) for reply in result.replies}
print(json.dumps([result.clock, [told[n] - wire[n] for n in sorted(wire)]]))
"""


CLOCK = """
import json, sys
from eyesocket.probe import ping
print(ping("10.77.1.2", 3, interval=0.005, **json.loads(sys.argv[1])).clock)
"""
CLOCKS = pytest.mark.parametrize(("stamps", "clock"), [(True, "kernel"), (False, "user")])


@CLOCKS
def test_no_time_is_below_the_wires(chain: network.Chain, stamps: bool, clock: str) -> None:
    told, errors = json.loads(chain.python("1", BESIDE, json.dumps({"kernel_stamps": stamps})))
    assert told == clock
    assert len(errors) == 30
    assert min(errors) >= 0, errors


@CLOCKS
def test_an_ordinary_user_has_the_same_clocks(chain: network.Chain, stamps: bool, clock: str) -> None:
    assert chain.python("1", CLOCK, json.dumps({"kernel_stamps": stamps}), user=True) == f"{clock}\n"
