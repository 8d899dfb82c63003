"""One client, one response in several hands: threads, tasks, cancelling, closing while in use."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading

import pytest

from eyesocket import http

PIECES = 400
PIECE = b"400\r\n" + b"x" * 1024 + b"\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def long(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    for _ in range(PIECES):
        connection.sendall(PIECE)
    connection.sendall(b"0\r\n\r\n")


class Stalling:
    """Sends a head and a piece, then nothing more before `over`."""

    def __init__(self):
        self.over = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(HEAD + PIECE)
        self.over.wait(30)


@pytest.fixture
def stalling():
    made = Stalling()
    yield made
    made.over.set()


class Echo:
    """Answers each request with its path, fifty times over, in one of several framings, closing when it likes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}{path}"

    def serve(self):
        number = 0
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self.speak, args=(connection, random.Random(number)), daemon=True).start()

    def speak(self, connection, chance):
        data = b""
        try:
            with connection:
                while True:
                    while b"\r\n\r\n" not in data:
                        piece = connection.recv(65536)
                        if not piece:
                            return
                        data += piece
                    head, _, data = data.partition(b"\r\n\r\n")
                    body = head.split(b" ")[1] * 50
                    kind = chance.randrange(5)
                    length = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body)
                    if kind == 0:
                        connection.sendall(length + b"Connection: close\r\n\r\n" + body)
                        return
                    if kind == 1:
                        connection.sendall(HEAD)
                        for at in range(0, len(body), 97):
                            piece = body[at : at + 97]
                            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                        connection.sendall(b"0\r\n\r\n")
                    elif kind == 2:
                        connection.sendall(length + b"\r\n")
                        connection.sendall(body)
                        # Closed without a word: the client finds out when it asks again.
                        return
                    else:
                        connection.sendall(length + b"\r\n" + body)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.close()


def together(*works):
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_threads_read_one_response_together(script):
    """Whoever asks a response something while another thread reads it: neither waits for the other for ever."""
    script.play(*[long] * 5)
    with http.Client() as client:
        for _ in range(5):
            with client.stream("GET", script.url()) as response:
                lengths: list[int] = []
                looks: list[object] = []

                def read(response=response, lengths=lengths):
                    # Who comes when the other has read it all is told so.
                    with contextlib.suppress(http.StreamConsumed):
                        lengths.extend(map(len, response.iter_raw()))

                def look(response=response, looks=looks):
                    while not response.is_closed:
                        looks.append((response.status_code, response.headers["transfer-encoding"], repr(response)))

                together(read, read, look, look)
                assert sum(lengths) == PIECES * 1024
        assert client.connections == (1, 1)


def test_tasks_read_one_response_together(script):
    script.play(*[long] * 3)

    async def run():
        async with http.AsyncClient(timeout=None) as client:
            for _ in range(3):
                async with client.stream("GET", script.url()) as response:
                    lengths: list[int] = []

                    async def read(response=response, lengths=lengths):
                        with contextlib.suppress(http.StreamConsumed):
                            async for piece in response.aiter_raw():
                                lengths.append(len(piece))

                    await asyncio.wait_for(asyncio.gather(read(), read(), read()), 30)
                    assert sum(lengths) == PIECES * 1024
                    assert client.connections == (1, 1)

    asyncio.run(run())


def test_a_task_that_waits_for_another_to_read_can_be_cancelled(script, stalling):
    script.play(stalling)

    async def run():
        async with http.AsyncClient(timeout=None) as client:
            response = await client.send(client.build_request("GET", script.url()), stream=True)
            first, second, third = (response.aiter_bytes() for _ in range(3))
            assert len(await anext(first)) == 1024
            tasks = [asyncio.create_task(anext(pieces)) for pieces in (first, second, third)]
            for turn in (0, 1):
                for _ in range(3):
                    await asyncio.sleep(0)
                tasks[turn].cancel()
                with pytest.raises(asyncio.CancelledError):
                    await tasks[turn]
            # The turn went from one to the next, and what comes goes to the last.
            stalling.over.set()
            with pytest.raises(http.RemoteProtocolError):
                await asyncio.wait_for(tasks[2], 10)
            assert client.connections == (0, 0)

    asyncio.run(run())


def test_closing_a_response_ends_who_reads_it(script, stalling):
    script.play(stalling)
    with http.Client(timeout=None) as client:
        response = client.send(client.build_request("GET", script.url()), stream=True)
        raised: list[BaseException] = []
        begun = threading.Event()

        def read():
            try:
                for _ in response.iter_bytes():
                    begun.set()
            except http.StreamClosed as error:
                raised.append(error)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        assert begun.wait(10)
        response.close()
        assert response.is_closed
        thread.join(10)
        assert not thread.is_alive()
        assert "closed while its body was being read" in str(raised[0])
        assert client.connections == (0, 0)


@pytest.mark.parametrize("cancelled", [False, True])
def test_closing_a_response_ends_the_task_that_reads_it(script, stalling, cancelled):
    script.play(stalling)

    async def run():
        async with http.AsyncClient(timeout=None) as client:
            response = await client.send(client.build_request("GET", script.url()), stream=True)
            pieces = response.aiter_bytes()
            assert len(await anext(pieces)) == 1024
            task = asyncio.create_task(anext(pieces))
            for _ in range(3):
                await asyncio.sleep(0)
            await response.aclose()
            if cancelled:
                task.cancel()
            with pytest.raises(asyncio.CancelledError if cancelled else http.StreamClosed):
                await asyncio.wait_for(task, 10)
            assert client.connections == (0, 0)

    asyncio.run(run())


def test_an_iterator_goes_no_further_than_its_response(script):
    """A body that is cut by closing is not taken for one that has ended."""
    script.play(long)
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            pieces = response.iter_bytes(100)
            assert len(next(pieces)) == 100
        with pytest.raises(http.StreamClosed):
            sum(map(len, pieces))


def test_threads_share_a_small_pool(echo):
    wrong: list[object] = []
    with http.Client(limits=http.Limits(max_connections=3, max_keepalive_connections=2), timeout=60) as client:

        def work(seed):
            chance = random.Random(seed)
            for number in range(25):
                path = f"/{seed}-{number}-"
                wanted = path.encode() * 50
                try:
                    if chance.random() < 0.3:
                        with client.stream("GET", echo.url(path)) as response:
                            some = next(response.iter_bytes(64))
                            if not wanted.startswith(some):
                                wrong.append((path, some))
                    elif (content := client.get(echo.url(path)).content) != wanted:
                        wrong.append((path, content))
                except Exception as error:
                    wrong.append((path, error))

        together(*[lambda seed=seed: work(seed) for seed in range(10)])
        assert wrong == []
        opened, idle = client.connections
        assert opened == idle <= 2


def test_tasks_that_are_cancelled_leave_no_connection_behind(echo):
    async def run():
        chance = random.Random(1)
        async with http.AsyncClient(
            limits=http.Limits(max_connections=2, max_keepalive_connections=2), timeout=60
        ) as client:

            async def one(path):
                async with client.stream("GET", echo.url(path)) as response:
                    return path, b"".join([piece async for piece in response.aiter_bytes(64)])

            for turn in range(15):
                tasks = [asyncio.create_task(one(f"/{turn}-{number}-")) for number in range(20)]
                for task in tasks:
                    # Somewhere in the queue, connecting, waiting or reading: wherever so many turns of the loop lead.
                    for _ in range(chance.randrange(4)):
                        await asyncio.sleep(0)
                    if chance.random() < 0.6:
                        task.cancel()
                for task in tasks:
                    try:
                        path, content = await asyncio.wait_for(task, 30)
                        assert content == path.encode() * 50
                    except asyncio.CancelledError:
                        pass
                opened, idle = client.connections
                assert opened == idle
        assert client.connections == (0, 0)

    asyncio.run(run())


def test_a_client_that_is_closed_while_in_use_finishes_what_was_begun(echo):
    for turn in range(10):
        client = http.Client(limits=http.Limits(max_connections=2), timeout=60)
        wrong: list[object] = []
        begun = threading.Barrier(6)

        def work(seed, client=client, wrong=wrong, begun=begun):
            begun.wait(10)
            for number in range(20):
                path = f"/{seed}-{number}-"
                try:
                    content = client.get(echo.url(path)).content
                except RuntimeError as error:
                    assert "closed" in str(error)  # noqa: PT017 - the only way out
                    return
                if content != path.encode() * 50:
                    wrong.append((path, content))

        def close(client=client, begun=begun, turn=turn):
            begun.wait(10)
            for _ in range(turn):
                client.get(echo.url("/"))
            client.close()

        together(close, *[lambda seed=seed: work(seed) for seed in range(5)])
        assert wrong == []
        assert client.connections == (0, 0)
