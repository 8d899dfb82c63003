"""`eyesocket get` beside curl itself: what is asked, what is printed, what is saved; and our exit statuses."""

from __future__ import annotations

import io
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from eyesocket._command import main

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"
REPLIES = {
    f"/r{status}": b"HTTP/1.1 %d X\r\nLocation: /end\r\nContent-Length: 4\r\n\r\nredi" % status
    for status in (301, 302, 303, 307, 308)
}
REPLIES |= {
    "/404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope",
    "/early": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "/trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
    "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
    "/rest": b"HTTP/1.1 206 X\r\nContent-Range: bytes 3-5/6\r\nContent-Length: 3\r\n\r\nlo\n",
    "/cut": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 20\r\n\r\nhello",
}


class Server:
    """Answers by path and keeps the requests."""

    def __init__(self):
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.serve, daemon=True)]
        self.threads[0].start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.speak, args=(connection,), daemon=True))
            self.threads[-1].start()

    def speak(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while line := stream.readline():
                    fields = list(iter(stream.readline, b"\r\n"))
                    lengths = [int(field.split(b":")[1]) for field in fields if field.lower().startswith(b"content-l")]
                    body = stream.read(sum(lengths))
                    self.requests.append((line, fields, body))
                    path = line.split()[1].decode()
                    reply = REPLIES.get(path, OK)
                    connection.sendall(reply)
                    if b"close" in reply:
                        return
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


def heard(server):
    """What was asked, without what differs on purpose: who asks, codings, `Content-Length: 0`, waiting with a body."""
    own = (
        b"user-agent: curl",
        b"user-agent: eyesocket",
        b"accept-encoding:",
        b"proxy-connection:",
        b"content-length: 0",
        b"expect:",
    )
    asked = []
    for line, fields, body in server.requests:
        told = [field.rstrip() for field in fields if not field.lower().startswith(own)]
        if boundary := re.search(rb"boundary=(\S+)", b"\n".join(told)):
            # Which one it is, is chance.
            told = [field.replace(boundary[1], b"B") for field in told if not field.startswith(b"Content-Length")]
            body = body.replace(boundary[1], b"B")
        asked.append((line, sorted(told), body))
    server.requests.clear()
    return asked


@pytest.fixture
def command(server, capfdbinary, tmp_path, monkeypatch):
    """Runs our command in a folder of its own; gives status, output, errors and the files that are there."""

    def run(*words, stdin=b""):
        folder = tmp_path / "ours"
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        provide(folder, words)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        status = main(["get", *(word.replace("URL", f"http://127.0.0.1:{server.port}") for word in words)])
        out, errors = capfdbinary.readouterr()
        return status, out, errors, {file.name: file.read_bytes() for file in folder.iterdir()}

    return run


def provide(folder, words):
    """Put the file there that some words send."""
    if any("up load" in word for word in words):
        (folder / "up load").write_bytes(b"what is\nsent\n")


def curl(server, folder, *words, stdin=b""):
    folder.mkdir()
    provide(folder, words)
    words = [word.replace("URL", f"http://127.0.0.1:{server.port}") for word in words]
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl, the oracle, is not on this machine")
    done = subprocess.run([program, "-q", "-sS", *words], capture_output=True, timeout=30, cwd=folder, input=stdin)
    return done.returncode, done.stdout, {file.name: file.read_bytes() for file in folder.iterdir()}


AS_CURL = [
    ["URL/a"],
    ["-H", "Accept:", "URL/"],
    ["-H", "accept: text/html", "URL/"],
    ["-H", "X;", "URL/"],
    ["-H", "X: a", "-H", "X: b", "URL/"],
    ["-H", "Host: other.example", "URL/"],
    ["-H", "@-", "URL/"],
    ["-H", "Content-Type:", "-d", "a=b", "URL/"],
    ["-H", "Content-Type: text/plain", "-d", "a=b", "URL/"],
    ["-H", "Content-Length: 3", "-d", "a=b", "URL/"],
    ["-d", "a=b", "-d", "c=d", "URL/"],
    ["-d", "", "URL/"],
    ["-d", "a", "--data-binary", "b", "-d", "c", "URL/"],
    ["-d", "@-", "URL/"],
    ["--data-binary", "@-", "URL/"],
    ["-X", "PUT", "-d", "a", "URL/"],
    ["-X", "GET", "-d", "a", "URL/"],
    ["-X", "mkcol", "URL/"],
    ["-X", "DELETE", "URL/"],
    ["-I", "URL/head"],
    ["-I", "-X", "GET", "URL/"],
    ["-I", "-L", "URL/r302"],
    ["-I", "-o", "f", "URL/head"],
    ["-i", "URL/a"],
    ["-i", "-L", "URL/r302"],
    ["-i", "URL/early"],
    ["-i", "URL/trailers"],
    ["-f", "URL/404"],
    ["-f", "-i", "URL/404"],
    ["-f", "-o", "f", "URL/404"],
    ["URL/404"],
    ["-o", "/dev/null", "-w", "%{http_code}", "URL/404"],
    ["-o", "-", "URL/a"],
    ["-o", "f", "URL/a"],
    ["-O", "URL/name.txt"],
    ["-O", "URL/a%20b%2Fc"],
    ["-C", "-", "-o", "f", "URL/a"],
    ["-C", "3", "-o", "f", "URL/rest"],
    ["-C", "3", "URL/rest"],
    ["-u", "me:pw", "URL/"],
    ["-u", "me:", "URL/"],
    ["-u", "m\u00e9:a:b", "URL/"],
    ["-u", "me:pw", "-H", "Authorization: mine", "URL/"],
    ["-x", "URL", "http://name.example/a"],
    ["-x", "URL", "-u", "me:pw", "http://name.example/a?b#c"],
    ["URL/?a#fragment"],
    ["-w", "%{http_code} %{response_code} %{size_download} %{size_header} %{size_upload} %{num_headers}\\n", "URL/a"],
    ["-w", "%{method} %{scheme} %{http_version} %{content_type} %{url_effective} %{num_redirects}", "URL/a"],
    ["-w", "%{redirect_url} %{num_connects} %{exitcode} %{errormsg} %{urlnum} %{remote_ip}", "URL/r302"],
    ["-L", "-w", "%{url} %{url_effective} %{num_redirects} %{num_connects} %{http_connect}", "URL/r302"],
    ["-w", "%{nope}|%%|100%|\\t|\\x|\\\\|%header{content-type}|%header{none}|%{stderr}no|%{stdout}yes", "URL/a"],
    ["-w", "@-", "URL/a"],
    ["-o", "f", "-w", "%{filename_effective}", "URL/a"],
]
AS_CURL += [
    ["-A", "me/1", "URL/"],
    ["-A", "me/1", "-H", "User-Agent: other", "URL/"],
    ["-e", "http://from.example/", "URL/"],
    ["-b", "a=b", "URL/"],
    ["-b", "a=b; c=d", "URL/"],
    ["-G", "-d", "a=b", "-d", "c=d", "URL/x?y=z#f"],
    ["-G", "-I", "-d", "a=b", "URL/head"],
    ["--data-raw", "@x", "URL/"],
    ["--data-urlencode", "a b&c", "--data-urlencode", "=d=e", "--data-urlencode", "n=\u00e9 ~-._*/", "URL/"],
    ["--data-urlencode", "n@-", "URL/"],
    ["-G", "--data-urlencode", "q=a b", "URL/?x"],
    ["-T", "up load", "URL/folder/"],
    ["-T", "up load", "URL"],
    ["-T", "up load", "-X", "POST", "URL/there"],
    ["-r", "0-3", "URL/"],
    ["-r", "3-5", "-o", "f", "URL/rest"],
    ["-F", "a=b", "-F", "c=d e", "URL/"],
    ["-F", "f=@up load", "URL/"],
    ["-F", "f=@up load;type=text/x;filename=other.txt", "-F", "g=<up load", "URL/"],
    ["-F", "t={};type=application/json", "URL/"],
    ["--basic", "-u", "me:pw", "URL/"],
    ["-x", "URL", "-U", "me:pw", "http://name.example/a"],
    ["--connect-to", "name.example:80:127.0.0.1:PORT", "http://name.example/a"],
    ["--resolve", "name.example:PORT:127.0.0.1", "http://name.example:PORT/a"],
    ["-L", "--max-redirs", "1", "URL/r302"],
    ["--connect-timeout", "5", "--compressed", "URL/"],
]
AS_CURL += [
    ["-L", *words, f"URL/r{status}"]
    for status in (301, 302, 303, 307, 308)
    for words in ([], ["-d", "a=b"], ["-X", "POST", "-d", "a=b"], ["-X", "PUT", "-d", "a"], ["-X", "DELETE"], ["-I"])
]


@pytest.mark.parametrize("words", AS_CURL, ids=" ".join)
def test_as_curl_does(server, command, tmp_path, words):
    stdin = b"X-One: 1\r\nX-Two: 2\n"
    words = [word.replace("PORT", str(server.port)) for word in words]
    status, out, files = curl(server, tmp_path / "curl", *words, stdin=stdin)
    asked = heard(server)
    ours = command(*words, stdin=stdin)
    assert heard(server) == asked
    assert (ours[1], ours[3]) == (out, files)
    assert ours[0] == status


WRONG = [
    [],
    ["-H"],
    ["-b", "file", "URL/"],
    ["-F", "a", "URL/"],
    ["-F", "a=b;type=x;headers=y", "URL/"],
    ["-F", "a=b", "-d", "c", "URL/"],
    ["-T", "-", "-I", "URL/"],
    ["-U", "a:b", "URL/"],
    ["--connect-to", "a:80:b", "URL/"],
    ["--resolve", "a:x:b", "URL/"],
    ["--retry", "often", "URL/"],
    ["--nope", "URL/"],
    ["-m", "soon", "URL/"],
    ["-C", "-3", "URL/"],
    ["-C", "x", "URL/"],
    ["-H", "no colon", "URL/"],
    ["-H", "a b: c", "URL/"],
    ["-H", "X: a\x01", "URL/"],
    ["-H", "Host:", "URL/"],
    ["-H", "Content-Length: 1", "-d", "abc", "URL/"],
    ["-X", "G T", "URL/"],
    ["-I", "-d", "a", "URL/"],
    ["-O", "URL/"],
    ["-O", "URL"],
    ["-O", "URL/x/?q"],
    ["-k", "URL/"],
    ["-x", "ftp://h", "URL/"],
    ["ftp://127.0.0.1:1/"],
    ["http://"],
    ["http://[::1/"],
    ["http://h:99999/"],
    ["http://a b/"],
    ["http://h/\udcff"],
]


@pytest.mark.parametrize("words", WRONG, ids=lambda words: ascii(" ".join(words)))
def test_wrong_words_are_status_2_and_one_line(server, command, words):
    status, out, errors, files = command(*words)
    assert (status, out, files) == (2, b"", {})
    assert errors.startswith(b"eyesocket get: ")
    assert errors.count(b"\n") == 1
    assert server.requests == []


def test_what_is_uploaded_is_read_as_it_is_sent(server, command, tmp_path):
    """Of standard input nobody knows the length."""
    status, out, _, _ = command("-T", "-", "-H", "Content-Length: 5", "URL/there", stdin=b"piped")
    assert (status, out) == (0, b"hello\n")
    ((line, _, body),) = heard(server)
    assert (line, body) == (b"PUT /there HTTP/1.1\r\n", b"piped")


def test_a_proxy_is_asked_by_digest(command, server):
    status, _, errors, _ = command("-x", "URL", "--proxy-digest", "http://name.example/")
    assert (status, errors.count(b"\n")) == (2, 1)
    assert command("-x", "URL", "-U", "me:pw", "--proxy-digest", "http://name.example/a")[0] == 0
    # Not asked to, it says nothing of who it is.
    assert not any(b"Proxy-Authorization" in field for field in heard(server)[0][1])


def test_failures_that_may_pass_are_tried_again(command, server, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    REPLIES["/busy"] = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    status, _, _, _ = command("--retry", "2", "-f", "-d", "a", "URL/busy")
    assert (status, len(heard(server)), len(waits)) == (22, 3, 2)


def test_a_unix_socket(command, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def speak():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(OK)

        thread = threading.Thread(target=speak)
        thread.start()
        assert command("--unix-socket", str(tmp_path / "s"), "http://h/")[:2] == (0, b"hello\n")
        thread.join(10)


def test_no_answer_is_status_1(server, command):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        status, out, errors, _ = command("-w", "%{http_code} %{exitcode} %{url}", url)
    assert (status, out) == (1, f"000 1 {url}".encode())
    assert b"Connection refused" in errors
    status, out, errors, _ = command("URL/cut")
    assert (status, out) == (1, b"hello")
    assert b"after 5 of 20 bytes" in errors
    status, _, errors, files = command("-o", "f", "URL/cut")
    assert (status, files) == (1, {"f.part": b"hello"})
    status, out, errors, _ = command("-d", "@/nowhere/at/all", "URL/")
    assert (status, out) == (1, b"")
    assert b"No such file" in errors


def test_an_answer_that_failed_is_not_saved(command):
    status, _, errors, files = command("-o", "f", "-w", "%{http_code}", "URL/404")
    assert (status, files) == (1, {})
    assert errors == b"eyesocket get: nothing saved: 404 Not Found\n"


def test_what_does_not_go_on_is_not_appended(command, tmp_path):
    folder = tmp_path / "ours"
    folder.mkdir()
    (folder / "f").write_bytes(b"hel")
    status, _, errors, files = command("-C", "3", "-o", "f", "URL/a")
    assert (status, files) == (1, {"f": b"hel"})
    assert b"does not go on at byte 3" in errors
    assert command("-C", "3", "-o", "f", "URL/rest")[3] == {"f": b"hello\n"}


def test_secrets_are_not_in_what_is_shown(server, command, tmp_path):
    words = ["-u", "me:secret1", "-H", "X-Api-Key: secret2", "URL/?token=secret3"]
    _, out, errors, files = command("-v", "--har", "f.har", *words)
    assert out == OK[-6:]
    assert b"GET /?token=*******" in errors
    assert b"secret" not in errors + files["f.har"]
    sent = b"".join(server.requests[0][1])
    assert b"secret2" in sent
