"""A sweep from several vantage points: dask workers in namespaces of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import network

SPLIT = """
import json, sys
from distributed import Client
from eyesocket.probe import sweep
with Client("tcp://10.77.1.1:8786") as client:
    client.wait_for_workers(2, timeout=60)
    with client.get_executor() as executor:
        targets = ["127.0.0.1", "127.0.0.2", "10.77.1.0/30"]
        found = sweep(targets, executor=executor, parts=2, rate=None)
    print(json.dumps(found.to_dict()))
"""


def test_workers_in_two_namespaces(chain: network.Chain, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs dask.distributed")
    import json

    def start(name: str, *words: str) -> subprocess.Popen[bytes]:
        command = ["ip", "netns", "exec", f"{chain.prefix}{name}", sys.executable, "-m", "distributed.cli.dask_"]
        command[-1] += words[0]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*command, *words[1:]], **quiet)

    common = ["--no-dashboard"]
    running = [start("1", "scheduler", "--host", "10.77.1.1", "--port", "8786", *common)]
    worker = ["--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path), *common]
    try:
        for name, address in [("2", "10.77.1.2"), ("3", "10.77.2.2")]:
            running.append(start(name, "worker", "tcp://10.77.1.1:8786", "--host", address, *worker))
        found = json.loads(chain.python("1", SPLIT))
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
    assert found["reasons"] == {"reply": 4}
    assert len({host["vantage"] for host in found["hosts"]}) == 2
