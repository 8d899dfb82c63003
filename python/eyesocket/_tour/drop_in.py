"""The standard library's socket and ours: one import apart, or none."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from eyesocket import __version__, socket

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "The same program on our sockets: one import, or eyesocket run"

PROGRAM = """
import threading
{imported}
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    connection, _ = listener.accept()
    with connection:
        connection.sendall(connection.recv(1024))
server = threading.Thread(target=serve)
server.start()
with socket.create_connection(listener.getsockname(), timeout=5) as client:
    client.sendall(b"hello socket world")
    print(client.recv(1024), client.gettimeout(), client.family.name)
server.join()
listener.close()
"""

CHILDREN = """
import _socket, subprocess, sys
print(getattr(_socket, "__eyesocket__", "the standard library's"))
if len(sys.argv) == 1:
    subprocess.run([sys.executable, sys.argv[0], "child"], check=True)
"""


def tell(stage: Stage) -> None:
    """Run the same text over both modules, an unmodified program over ours, and ask what an error means."""
    if hasattr(sys.modules["_socket"], "__eyesocket__"):
        stage.skip("the tour itself runs by eyesocket run: there is no stock module to hold ours against")
    with tempfile.TemporaryDirectory(prefix="eyesocket-") as folder:
        an_import(stage, Path(folder))
        no_import(stage, Path(folder))
    an_error(stage)


def an_import(stage: Stage, folder: Path) -> None:
    """Compare an echo on the standard library's module and on ours."""
    stage.say("eyesocket.socket has every name of the standard library's socket. The echo, one import apart:")
    told = []
    for name, line in (("stock.py", "import socket"), ("ours.py", "from eyesocket import socket")):
        (folder / name).write_text(PROGRAM.format(imported=line))
        stage.show(line)
        told.append(stage.python(str(folder / name), shown=f"python {name}"))
    stage.check(told[0] == told[1] != "", "both printed the same")


def no_import(stage: Stage, folder: Path) -> None:
    """Run a program that knows nothing of us."""
    stage.say(
        "A program that is not to be changed runs by eyesocket run, and so does every Python process that it starts."
    )
    program, processes = folder / "program.py", folder / "processes"
    program.write_text(CHILDREN)
    plain = stage.python(str(program), shown="python program.py")
    stage.check(__version__ not in plain.split(), "without us: the standard library's sockets in both processes")
    words = ("-m", "eyesocket", "run", "--processes", str(processes), str(program))
    told = stage.python(*words, shown="eyesocket run --processes FILE program.py")
    stage.check(told.split() == [__version__] * 2, "_socket.__eyesocket__ is our version in it and in its child")
    counted = len(processes.read_text().splitlines())
    stage.check(counted == 2, f"{counted} processes had our sockets, says the file")


def an_error(stage: Stage) -> None:
    """Provoke the article's most common error, and ask what it means."""
    stage.say("Errors are those of the standard library, with the address; explain says what happened.")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        where = "{}:{}".format(*bound.getsockname())
        try:
            socket.create_connection(bound.getsockname()).close()
        except ConnectionRefusedError as error:
            stage.show(f"ConnectionRefusedError: {error}")
            stage.check(getattr(error, "address", None) == where, "the exception has the address that refused")
            told = socket.explain(error)
            stage.say(told)
            stage.check("On this machine nothing listens on" in told, "the kernel's own table settles it")
        else:
            stage.check(False, "a port that is bound without listening refuses")  # noqa: FBT003
