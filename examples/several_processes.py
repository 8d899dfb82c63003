"""Serve at one port with several processes: the kernel deals the connections out (SO_REUSEPORT, socket(7)).

python examples/several_processes.py [--port 5500] [--processes 4]

Each process has an interpreter, a loop and a listening socket of its own; a client is served by one of them.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import signal
import socket

from eyesocket import framing


def answer(line: bytes, _peer: str) -> bytes:
    return b"%d %s" % (os.getpid(), line)


def serve(port: int) -> None:
    async def main() -> None:
        server = framing.serve(answer, ("127.0.0.1", port), framing.Lines(), reuse_port=True, grace=5)
        # SIGTERM ends it as `stop` does: what is under way is answered.
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(server.stop()))
        listening.release()
        await server

    # Ctrl-C goes to all processes of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(main())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=5500)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    # Bound and not listening, this socket keeps the port for the family and gets no connection.
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        keeper.bind(("127.0.0.1", given.port))
        port = keeper.getsockname()[1]
        servers = [fork.Process(target=serve, args=(port,)) for _ in range(given.processes)]
        for server in servers:
            server.start()
        for _ in servers:
            listening.acquire()
        print(f"{given.processes} processes serve at 127.0.0.1:{port}", flush=True)
        try:
            for server in servers:
                server.join()
        except KeyboardInterrupt:
            for server in servers:
                server.terminate()
            for server in servers:
                server.join()


if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    listening = fork.Semaphore(0)
    main()
