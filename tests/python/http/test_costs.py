"""What the first line of a program and a large body may cost: modules, memory."""

from __future__ import annotations

import subprocess
import sys


def printed(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_import_and_a_client_bring_nothing_heavy():
    # Not `typing` nor `collections` either: they would be most of what the first lines of a program cost.
    code = (
        "import sys; before = set(sys.modules)\n"
        "from eyesocket import http\n"
        "http.Client().close()\n"
        "print(*(name for name in set(sys.modules) - before if name.partition('.')[0] != 'eyesocket'))"
    )
    assert set(printed(code).split()) <= {"__future__", "errno"}
