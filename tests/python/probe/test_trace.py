"""Traceroute and path MTU over routers, beside the system's tools."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree
from typing import TYPE_CHECKING, Any

import pytest

from eyesocket._command import main
from eyesocket.probe import Hop, PathMtu, PathMtuStep, Trace, TraceAnswer, traceroute

if TYPE_CHECKING:
    import network

TRACE = """
import json, sys
from eyesocket._command import main
from eyesocket.probe import Hop, Trace, TraceAnswer, traceroute
print(json.dumps(traceroute(sys.argv[1], **json.loads(sys.argv[2])).to_dict()))
"""
PATH_MTU = """
import json, sys
from eyesocket.probe import path_mtu
print(json.dumps(path_mtu(sys.argv[1], **json.loads(sys.argv[2])).to_dict()))
"""


def trace(chain: network.Chain, host: str, user: bool = False, **options: object) -> dict[str, Any]:
    return json.loads(chain.python("1", TRACE, host, json.dumps(options), user=user))


def addresses(traced: dict[str, Any]) -> list[str]:
    return ["/".join(dict.fromkeys(a["source"] or "*" for a in hop["answers"])) for hop in traced["hops"]]


@pytest.mark.parametrize("user", [False, True], ids=["root", "ordinary user"])
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("method", ["udp", "icmp", "tcp"])
@pytest.mark.parametrize("paris", [True, False], ids=["paris", "classic"])
def test_hops_of_the_chain(chain: network.Chain, method: str, family: int, paris: bool, user: bool) -> None:
    traced = trace(chain, chain.hops(family)[-1], user, method=method, paris=paris)
    assert addresses(traced) == chain.hops(family)
    assert traced["reached"]
    assert [len(hop["answers"]) for hop in traced["hops"]] == [3] * 4
    answers = [answer for hop in traced["hops"] for answer in hop["answers"]]
    flows = {answer["flow"] for answer in answers}
    assert flows == {0} if paris else len(flows) == len(answers)
    assert all(0 < answer["rtt"] < 1 for answer in answers)
    exceeded = [answer for answer in answers if answer["outcome"] == "error"]
    name = "time to live exceeded in transit" if family == 4 else "hop limit exceeded in transit"
    assert [answer["name"] for answer in exceeded] == [name] * 9
    assert traced["privileged"] is not user


FORKED = """
import json, os, sys, warnings
from eyesocket.probe import traceroute_iter
warnings.simplefilter("ignore")
answers = traceroute_iter(sys.argv[1], window=1, interval=0.005, probes=8, timeout=0.5, **json.loads(sys.argv[2]))
first = next(answers)
child = os.fork()
told = [answer.source for answer in (first, *answers)]
# One probe may have been on its way at the fork: its answer is the parent's.
good = len(told) == 32 and told.count(None) <= (not child) and answers.result().reached
if not child:
    os._exit(not good)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), good)
"""


@pytest.mark.parametrize("privileged", [True, False], ids=["raw", "error queue"])
@pytest.mark.parametrize("method", ["udp", "icmp", "tcp"])
def test_a_forked_child_traces_on_by_itself(chain: network.Chain, method: str, privileged: bool) -> None:
    options = {"method": method, "privileged": privileged}
    assert chain.python("1", FORKED, chain.hops(6)[-1], json.dumps(options)) == "0 True\n"


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("method", ["udp", "icmp", "tcp"])
@pytest.mark.parametrize("paris", [True, False], ids=["paris", "classic"])
def test_raw_sockets_and_the_error_queue_see_the_same(
    chain: network.Chain, method: str, family: int, paris: bool
) -> None:
    def seen(privileged: bool) -> list[list[object]]:
        options = {"method": method, "paris": paris, "privileged": privileged}
        traced = trace(chain, chain.hops(family)[-1], **options)
        assert traced["privileged"] is privileged
        kept = ("ttl", "query", "flow", "size", "outcome", "name", "source", "type", "code", "mtu", "labels")
        return [[answer[name] for name in kept] for hop in traced["hops"] for answer in hop["answers"]]

    raw = seen(True)
    assert len(raw) == 12
    assert raw == seen(False)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("privileged", [True, False], ids=["raw", "connect"])
def test_a_port_that_is_open(chain: network.Chain, privileged: bool, family: int) -> None:
    listening = f"""
import socket
with socket.create_server(("{chain.hops(family)[-1]}", 4433), family=socket.AF_INET{"6" if family == 6 else ""}) as s:
    print("ready", flush=True)
    s.settimeout(60)
    while True:
        try:
            s.accept()[0].close()
        except OSError:
            pass
"""
    name = f"{chain.prefix}5"
    words = ["ip", "netns", "exec", name, sys.executable, "-c", listening]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        traced = trace(chain, chain.hops(family)[-1], method="tcp", port=4433, privileged=privileged)
        server.kill()
    assert addresses(traced) == chain.hops(family)
    assert [answer["name"] for answer in traced["hops"][-1]["answers"]] == ["accepted"] * 3


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("method", ["udp", "icmp", "tcp"])
def test_hops_are_those_of_traceroute(chain: network.Chain, method: str, family: int) -> None:
    if shutil.which("traceroute") is None:
        pytest.skip("needs traceroute")
    host = chain.hops(family)[-1]
    letter = {"udp": "-U", "icmp": "-I", "tcp": "-T"}[method]
    port = ["-p", "33434"] if method == "udp" else []
    told = chain.execute("1", "traceroute", f"-{family}", "-n", "-q1", letter, *port, host)
    theirs = re.findall(r"^ *\d+ +(\S+)", told, re.MULTILINE)
    assert addresses(trace(chain, host, method=method, probes=1)) == theirs


@pytest.mark.parametrize("family", [4, 6])
def test_hops_are_those_of_mtr(chain: network.Chain, family: int) -> None:
    if shutil.which("mtr") is None:
        pytest.skip("needs mtr")
    host = chain.hops(family)[-1]
    told = chain.execute("1", "mtr", f"-{family}", "-n", "-r", "-c1", "-i", "0.1", "-G", "1", host)
    theirs = re.findall(r"^ *\d+\.\|-- (\S+)", told, re.MULTILINE)
    assert addresses(trace(chain, host, method="icmp", probes=1)) == theirs


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("method", ["udp", "tcp"])
def test_hops_are_those_of_mtr_by_other_methods(chain: network.Chain, method: str, family: int) -> None:
    if shutil.which("mtr") is None:
        pytest.skip("needs mtr")
    host = chain.hops(family)[-1]
    words = [f"--{method}", "-P", "4434", f"-{family}", "-n", "-r", "-c1", "-i", "0.1", "-G", "1"]
    told = chain.execute("1", "mtr", *words, host)
    theirs = re.findall(r"^ *\d+\.\|-- (\S+)", told, re.MULTILINE)
    assert addresses(trace(chain, host, method=method, port=4434, probes=1)) == theirs


@pytest.mark.parametrize("user", [False, True], ids=["root", "ordinary user"])
@pytest.mark.parametrize("family", [4, 6])
def test_hops_and_mtu_are_those_of_tracepath(chain: network.Chain, family: int, user: bool) -> None:
    if shutil.which("tracepath") is None:
        pytest.skip("needs tracepath (iputils-tracepath)")
    host = chain.hops(family)[-1]
    told = chain.execute("1", "tracepath", f"-{family}", "-n", host)
    # It counts the first link's MTU as a line of its own, and may ask a hop twice.
    theirs = list(dict.fromkeys(re.findall(r"^ *\d+: +([0-9a-f.:]+) +[\d.]+ms", told, re.MULTILINE)))
    assert addresses(trace(chain, host, user, method="udp", probes=1)) == theirs
    mtu = re.search(r"Resume: pmtu (\d+) hops (\d+)", told)
    assert mtu is not None, told
    found = json.loads(chain.python("1", PATH_MTU, host, json.dumps({"method": "udp"}), user=user))
    assert [found["mtu"], len(theirs)] == [int(mtu[1]), int(mtu[2])]


def test_a_hop_that_keeps_silent(chain: network.Chain) -> None:
    if shutil.which("nft") is None:
        pytest.skip("needs nft")
    rules = "table inet t { chain c { type filter hook output priority 0; icmp type time-exceeded drop; }\n}"
    chain.execute("3", "nft", rules)
    try:
        traced = trace(chain, "10.77.4.2", timeout=0.3)
    finally:
        chain.execute("3", "nft", "delete", "table", "inet", "t")
    assert addresses(traced) == ["10.77.1.2", "*", "10.77.3.2", "10.77.4.2"]


@pytest.mark.parametrize("user", [False, True], ids=["root", "ordinary user"])
@pytest.mark.parametrize("method", ["udp", "icmp"])
def test_a_way_that_is_closed(chain: network.Chain, method: str, user: bool) -> None:
    if shutil.which("nft") is None:
        pytest.skip("needs nft")
    # A prohibited route would answer only five times in a row, then once a second (net.ipv4.route.error_burst).
    closed = "ip daddr 10.99.0.0/16 reject with icmp type admin-prohibited"
    chain.execute("3", "nft", f"table inet t {{ chain c {{ type filter hook prerouting priority 0; {closed}; }}\n}}")
    try:
        traced = trace(chain, "10.99.0.1", user, method=method, probes=1)
    finally:
        chain.execute("3", "nft", "delete", "table", "inet", "t")
    assert not traced["reached"]
    assert addresses(traced) == ["10.77.1.2", "10.77.2.2"]
    assert traced["hops"][-1]["answers"][0]["name"] == "communication administratively prohibited"


@pytest.mark.parametrize("user", [False, True], ids=["root", "ordinary user"])
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("method", ["udp", "icmp"])
def test_the_mtu_falls(chain: network.Chain, method: str, family: int, user: bool) -> None:
    chain.ip("3", "link", "set", "right", "mtu", "1300")
    chain.ip("4", "link", "set", "left", "mtu", "1300")
    try:
        for number in (4, 6):
            chain.ip("1", f"-{number}", "route", "flush", "cache")
        host = chain.hops(family)[-1]
        found = json.loads(chain.python("1", PATH_MTU, host, json.dumps({"method": method}), user=user))
        assert found["mtu"] == 1300
        reporter = chain.hops(family)[1]
        assert [(s["outcome"], s["size"], s["source"]) for s in found["steps"]] == [
            ("too big", 1500, reporter),
            ("fits", 1300, None),
        ]
        traced = trace(chain, host, user, method=method, follow_mtu=True, probes=1)
        assert traced["mtu"] == 1300
        falls = [a for hop in traced["hops"] for a in hop["answers"] if a["mtu"]]
        assert [(answer["source"], answer["mtu"]) for answer in falls][:1] == [(reporter, 1300)]
        assert [hop["answers"][-1]["source"] for hop in traced["hops"]] == chain.hops(family)
    finally:
        chain.ip("3", "link", "set", "right", "mtu", "1500")
        chain.ip("4", "link", "set", "left", "mtu", "1500")
        for number in (4, 6):
            chain.ip("1", f"-{number}", "route", "flush", "cache")


@pytest.mark.parametrize("family", [4, 6])
def test_the_search_begins_with_the_first_links_mtu(chain: network.Chain, family: int) -> None:
    ends = [("1", "right"), ("2", "left")]
    try:
        for name, device in ends:
            chain.ip(name, "link", "set", device, "mtu", "9000")
        # The second time the kernel knows of 1500; that may be past, and is asked again.
        for _ in range(2):
            found = json.loads(chain.python("1", PATH_MTU, chain.hops(family)[-1], "{}"))
            steps = [(step["outcome"], step["size"], step["mtu"]) for step in found["steps"]]
            assert steps == [("too big", 9000, 1500), ("fits", 1500, None)]
        found = json.loads(chain.python("1", PATH_MTU, chain.hops(family)[0], "{}"))
        assert [(step["outcome"], step["size"]) for step in found["steps"]] == [("fits", 9000)]
    finally:
        for name, device in ends:
            chain.ip(name, "link", "set", device, "mtu", "1500")
        for number in (4, 6):
            chain.ip("1", f"-{number}", "route", "flush", "cache")


def test_a_path_that_swallows_large_packets(chain: network.Chain) -> None:
    if shutil.which("nft") is None:
        pytest.skip("needs nft")
    rules = "table ip t { chain c { type filter hook forward priority 0; ip length > 1350 drop; }\n}"
    chain.execute("3", "nft", rules)
    try:
        found = json.loads(chain.python("1", PATH_MTU, "10.77.4.2", json.dumps({"timeout": 0.05})))
    finally:
        chain.execute("3", "nft", "delete", "table", "ip", "t")
    assert found["mtu"] == 1350


def test_all_branches_of_a_balanced_path() -> None:
    import network

    network.need([])
    diamond = network.Namespaces()
    try:
        for name in ("a", "s", "b1", "b2", "j"):
            diamond.add(name)
        links = [("a", "s", 1), ("s", "b1", 2), ("s", "b2", 3), ("b1", "j", 4), ("b2", "j", 5)]
        for near, far, number in links:
            ends = (f"{diamond.prefix}{near}", f"{diamond.prefix}{far}")
            pair = (f"to{far}", f"to{near}")
            network.run(
                "ip", "link", "add", pair[0], "netns", ends[0], "type", "veth", "peer", pair[1], "netns", ends[1]
            )
            for side, device, last in [(near, pair[0], 1), (far, pair[1], 2)]:
                diamond.ip(side, "addr", "add", f"10.78.{number}.{last}/24", "dev", device)
                diamond.ip(side, "link", "set", device, "up")
        diamond.ip("j", "addr", "add", "10.79.0.1/32", "dev", "lo")
        diamond.ip("a", "route", "add", "default", "via", "10.78.1.2")
        both = ["nexthop", "via", "10.78.2.2", "nexthop", "via", "10.78.3.2"]
        diamond.execute("s", "sysctl", "-qw", "net.ipv4.fib_multipath_hash_policy=1")
        diamond.ip("s", "route", "add", "10.79.0.1", *both)
        for branch, out, back in [("b1", 4, 2), ("b2", 5, 3)]:
            diamond.ip(branch, "route", "add", "10.79.0.1", "via", f"10.78.{out}.2")
            diamond.ip(branch, "route", "add", "10.78.1.0/24", "via", f"10.78.{back}.1")
        diamond.ip("j", "route", "add", "10.78.1.0/24", "via", "10.78.4.1")
        whole = {
            ("10.78.1.2", "10.78.2.2"),
            ("10.78.1.2", "10.78.3.2"),
            ("10.78.2.2", "10.79.0.1"),
            ("10.78.3.2", "10.79.0.1"),
        }
        # Each trace is 95 % sure to see both branches, and sees none that is not: six in a row may not all miss one.
        for _ in range(6):
            traced = json.loads(diamond.python("a", TRACE, "10.79.0.1", json.dumps({"multipath": True})))
            hops = [sorted({a["source"] for a in hop["answers"] if a["source"]}) for hop in traced["hops"]]
            links = set(map(tuple, traced["links"]))
            assert links <= whole
            if links == whole:
                break
        assert links == whole
        assert hops == [["10.78.1.2"], ["10.78.2.2", "10.78.3.2"], ["10.79.0.1"]]
        one = json.loads(diamond.python("a", TRACE, "10.79.0.1", json.dumps({"probes": 20})))
        assert len({a["source"] for a in one["hops"][1]["answers"]}) == 1, "one flow takes one branch"
    finally:
        diamond.close()


def test_the_graph_of_a_path() -> None:
    def hop(ttl: int, *answers: tuple[int, str | None]) -> Hop:
        made = [
            TraceAnswer(ttl, n, flow, 32, "error" if who else "silence", "", who, None, None)
            for n, (flow, who) in enumerate(answers)
        ]
        return Hop(ttl, tuple(made))

    hops = (
        hop(1, (0, "r1"), (1, "r1")),
        # Flow 2 did not ask the first hop; but there is only one.
        hop(2, (0, "r2"), (1, "r3"), (2, "r4")),
        hop(3, (0, "r5"), (1, "r6")),
        hop(4, (0, None)),
    )
    assert Trace("h", "h", "udp", hops, privileged=True)._repr_mimebundle_()["text/vnd.mermaid"].splitlines() == [
        "graph LR",
        *(f'  n{n}["{name}"]' for n, name in enumerate(["here", "r1", "r2", "r3", "r4", "r5", "r6", "* 4"])),
        "  n0 --> n1",
        "  n1 --> n2",
        "  n1 --> n3",
        "  n1 --> n4",
        "  n2 --> n5",
        "  n3 --> n6",
        "  n4 -.-> n5",
        "  n4 -.-> n6",
        "  n5 -.-> n7",
        "  n6 -.-> n7",
    ]


def test_the_loopback_is_one_hop() -> None:
    traced = traceroute("127.0.0.1", method="udp", probes=2)
    assert [hop.addresses for hop in traced.hops] == [("127.0.0.1",)]
    assert traced.reached
    assert repr(traced) == "Trace(127.0.0.1: 1 hops by udp, reached)"
    bundle = traced._repr_mimebundle_()
    assert bundle["text/vnd.mermaid"].splitlines()[0] == "graph LR"
    assert "127.0.0.1" in bundle["text/html"]
    assert bundle["image/svg+xml"].startswith("<svg")
    tcp = traceroute("127.0.0.1", method="tcp", port=9, probes=2)
    assert [(answer.outcome, answer.name) for answer in tcp.hops[0].answers] == [("reached", "refused")] * 2


def test_path_mtu_is_shown_where_it_falls() -> None:
    steps = (
        PathMtuStep("too big", 1500, 1400, "10.0.0.1", "fragmentation needed"),
        PathMtuStep("too big", 1400, 1300, "<b>", "fragmentation needed"),
        PathMtuStep("silence", 1300),
        PathMtuStep("fits", 1280),
    )
    found = PathMtu("h", "10.0.9.9", 1280, steps)
    assert repr(found) == "PathMtu(h (10.0.9.9): mtu 1280, 4 steps)"
    assert str(found).splitlines()[1:] == [
        "  1500 bytes: too big (mtu 1400, by 10.0.0.1, fragmentation needed)",
        "  1400 bytes: too big (mtu 1300, by <b>, fragmentation needed)",
        "  1300 bytes: silence",
        "  1280 bytes: fits",
    ]
    bundle = found._repr_mimebundle_()
    assert bundle["text/plain"] == str(found)
    assert bundle["text/vnd.mermaid"].splitlines() == [
        "graph LR",
        '  n0["here"]',
        '  n1["10.0.0.1"]',
        "  n0 --> n1",
        '  n1 -.- m1["next link: mtu 1400"]',
        '  n2["&lt;b&gt;"]',
        "  n1 --> n2",
        '  n2 -.- m2["next link: mtu 1300"]',
        '  n3["10.0.9.9, mtu 1280"]',
        "  n2 --> n3",
    ]
    picture = xml.etree.ElementTree.fromstring(bundle["image/svg+xml"])
    bars = [float(bar.attrib["width"]) for bar in picture.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert bars == sorted(bars, reverse=True)
    assert len(bars) == 4
    assert "<b>" not in bundle["text/html"]
    assert "1280" in bundle["text/html"]
    nothing = PathMtu("h", "", None, ())
    assert repr(nothing) == "PathMtu(h (): no size got through, 0 steps)"
    xml.etree.ElementTree.fromstring(nothing._repr_mimebundle_()["image/svg+xml"])


@pytest.mark.parametrize("words", [["-w", "1,0,0"], ["-w", "1/0/0"], ["-M", "tcp", "-p", "9"], ["-M", "udp"]])
def test_letters_of_traceroute(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "--json", "-q1", *words, "127.0.0.1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["method"] == ("tcp" if "tcp" in words else "udp")
    assert told["reached"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"method": "smoke"}, "method"),
        ({"max_hops": 300}, "max_hops"),
        ({"first_hop": 9, "max_hops": 3}, "first_hop"),
        ({"probes": 0}, "probes"),
        ({"size": 1}, "size"),
        ({"method": "tcp", "follow_mtu": True}, "follow_mtu"),
        ({"method": "icmp", "port": 7}, "port"),
    ],
)
def test_bad_options(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        traceroute("127.0.0.1", **options)


def test_the_commands_packet_length(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "-q1", "--json", "127.0.0.1", "100"]) == 0
    assert json.loads(capsys.readouterr().out)["hops"][0]["answers"][0]["size"] == 72
    assert main(["trace", "-q1", "--json", "::1", "100"]) == 0
    assert json.loads(capsys.readouterr().out)["hops"][0]["answers"][0]["size"] == 52


def test_the_command(chain: network.Chain) -> None:
    told = chain.execute("1", sys.executable, "-m", "eyesocket", "trace", "-q1", "10.77.4.2")
    lines = told.splitlines()
    assert lines[0] == "traceroute to 10.77.4.2 (10.77.4.2), 30 hops max"
    assert [line.split()[:2] for line in lines[1:]] == [[str(n), hop] for n, hop in enumerate(chain.hops(4), 1)]
    live = chain.execute("1", sys.executable, "-m", "eyesocket", "trace", "--live", "-c1", "-I", "10.77.4.2")
    assert [line.split()[1] for line in live.splitlines()[2:]] == chain.hops(4)
