"""The article's scripts as processes: started, announced, ended."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pytest

ENVIRONMENT = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def script():
    """Run a script to its end: script(NAME, *WORDS) gives the CompletedProcess."""

    def run(name, *words, status=0, **options):
        done = subprocess.run(
            [sys.executable, "-m", f"eyesocket.article.{name}", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=ENVIRONMENT,
            **options,
        )
        assert done.returncode == status, done.stdout + done.stderr
        if status == 0:
            assert done.stderr == ""
        return done

    return run


@pytest.fixture
def server():
    """Start a server: `with server(NAME, *WORDS) as (where, process)`, once it has said where it listens."""
    with ExitStack() as stack:

        @contextmanager
        def start(name, *words):
            process = subprocess.Popen(
                [sys.executable, "-m", f"eyesocket.article.{name}", "--announce", *map(str, words)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=ENVIRONMENT,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            line = process.stdout.readline()
            assert line.startswith("listening on "), line + process.stderr.read()
            yield line.removeprefix("listening on ").rstrip("\n"), process
            process.kill()

        yield start
