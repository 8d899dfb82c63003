"""The article's ping, as a process and by its names."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Callable

import pytest

from eyesocket.article import ping

Runner = Callable[..., subprocess.CompletedProcess[str]]


def test_checksum_is_the_originals() -> None:
    # The example of RFC 1071, section 3: sum ddf2.
    assert ping.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert ping.checksum(b"") == 0xFFFF
    assert ping.checksum(b"\x01") == 0xFEFF


def test_create_packet() -> None:
    packet = ping.create_packet(0x1234)
    assert struct.unpack("!BBHHH", packet[:8])[::4] == (8, 1)
    assert struct.unpack("!BBHHH", packet[:8])[3] == 0x1234
    assert packet[8:] == 192 * b"Q"
    assert ping.checksum(packet) == 0


@pytest.mark.usefixtures("icmp")
def test_the_names() -> None:
    delay = ping.do_one("127.0.0.1", 1)
    assert isinstance(delay, float)
    assert 0 < delay < 1
    results = ping.multi_ping_query(["127.0.0.1", "127.0.0.2", "127.0.0.3"], timeout=1, step=2)
    assert list(results) == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert all(isinstance(delay, float) for delay in results.values())


@pytest.mark.usefixtures("icmp")
def test_what_it_prints() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "eyesocket.article.ping"], capture_output=True, text=True, timeout=60, check=True
    )
    told = re.sub(r"\d+\.\d+(e-\d+)? milliseconds", "T milliseconds", process.stdout)
    told = re.sub(r"= [\d.e-]+$", "= T", told, flags=re.MULTILINE)
    assert told == "ping 127.0.0.1...\nget ping in T milliseconds.\n" * 4 + "\n127.0.0.1 = T\n"
    assert process.stderr == ""


@pytest.mark.usefixtures("icmp")
def test_silence_is_a_timeout(capsys: pytest.CaptureFixture[str]) -> None:
    # A timeout of nothing: the probe is given up as it goes.
    ping.verbose_ping("127.0.0.1", timeout=0, count=1)
    assert capsys.readouterr().out == "ping 127.0.0.1...\nfailed. (Timeout within 0 seconds.)\n\n"


def test_without_rights_it_says_what_to_do(nobody: Runner) -> None:
    done = nobody("-m", "eyesocket.article.ping")
    assert done.returncode == 1
    assert "net.ipv4.ping_group_range" in done.stderr
    assert "cap_net_raw" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_name_is_none(nobody: Runner) -> None:
    code = "from eyesocket.article.ping import *; h = 'no-such-host.invalid'; print(do_one(h), multi_ping_query([h]))"
    assert nobody("-c", code).stdout == "None {'no-such-host.invalid': None}\n"
