"""Against servers that others wrote: httpbin (under gunicorn) and nginx, blocking and awaited."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from eyesocket import errors, http

NGINX = shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (make comparisons installs it)")
needs_httpbin = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("httpbin", "gunicorn")),
    reason="httpbin or gunicorn is not installed (dependency group `test`)",
)


class Blocking:
    """A client of the blocking kind, and its calls as plain functions."""

    def __init__(self, **options):
        self.client = http.Client(trust_env=False, **options)

    def request(self, method, url, **options):
        return self.client.request(method, url, **options)

    def streamed(self, method, url, **options):
        """The response and its pieces."""
        with self.client.stream(method, url, **options) as response:
            return response, list(response.iter_bytes())

    def download(self, url, path, **options):
        return http.download(url, path, client=self.client, **options)

    def close(self):
        self.client.close()


class Awaited:
    """The same by a client that is awaited."""

    def __init__(self, **options):
        self.runner = asyncio.Runner()
        self.client = self.runner.run(self.made(options))

    async def made(self, options):
        return http.AsyncClient(trust_env=False, **options)

    def request(self, method, url, **options):
        return self.runner.run(self.client.request(method, url, **options))

    def streamed(self, method, url, **options):
        async def run():
            async with self.client.stream(method, url, **options) as response:
                return response, [piece async for piece in response.aiter_bytes()]

        return self.runner.run(run())

    def download(self, url, path, **options):
        return self.runner.run(http.adownload(url, path, client=self.client, **options))

    def close(self):
        self.runner.run(self.client.aclose())
        self.runner.close()


@pytest.fixture(params=[Blocking, Awaited], ids=["blocking", "awaited"])
def kind(request):
    """kind(OPTIONS) makes a client; all are closed at the end."""
    made = []

    def make(**options):
        made.append(request.param(**options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(kind):
    return kind()


def listening() -> socket.socket:
    """A listening socket that a child may inherit, so that no other process can take its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    return listener


# httpbin


@pytest.fixture(scope="module")
def bin_url():
    with listening() as listener:
        number, port = listener.fileno(), listener.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{number}", "--worker-class", "gthread"]
        command += ["--threads", "4", "--keep-alive", "5", "--log-level", "error", "httpbin:app"]
        process = subprocess.Popen(command, pass_fds=[number], stderr=subprocess.DEVNULL)
    try:
        # The listener takes connections before the application is there to answer them.
        assert http.get(f"http://127.0.0.1:{port}/status/204", timeout=60, trust_env=False).status == 204
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@needs_httpbin
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_what_is_asked_arrives(bin_url, client, method):
    said = client.request(method, f"{bin_url}/anything/a%20b?x=1", params={"y": ["2", "3"]}, headers={"X-Mine": "yes"})
    told = said.json()
    assert told["method"] == method
    assert told["args"] == {"x": "1", "y": ["2", "3"]}
    assert told["headers"]["X-Mine"] == "yes"
    assert told["headers"]["Host"] == bin_url.removeprefix("http://")
    assert told["headers"]["User-Agent"].startswith("eyesocket/")


@needs_httpbin
def test_bodies_of_each_kind(bin_url, client):
    url = f"{bin_url}/post"
    assert client.request("POST", url, json={"a": [1, None, "ü"]}).json()["json"] == {"a": [1, None, "ü"]}
    assert client.request("POST", url, data={"a": "b c", "d": "ü&="}).json()["form"] == {"a": "b c", "d": "ü&="}
    assert client.request("POST", url, content="plain ü").json()["data"] == "plain ü"
    told = client.request("POST", url, files={"f": ("name.txt", b"inside", "text/plain")}, data={"k": "v"}).json()
    assert (told["files"], told["form"]) == ({"f": "inside"}, {"k": "v"})


@needs_httpbin
def test_a_body_in_pieces_is_chunked(bin_url, client):
    told = client.request("POST", f"{bin_url}/post", content=iter([b"one ", b"two ", b"three"])).json()
    assert told["data"] == "one two three"
    assert told["headers"]["Transfer-Encoding"] == "chunked"


@needs_httpbin
@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli"])
def test_codings(bin_url, client, coding):
    word = {"gzip": "gzipped", "deflate": "deflated", "brotli": "brotli"}[coding]
    assert client.request("GET", f"{bin_url}/{coding}").json()[word] is True


@needs_httpbin
def test_basic_and_bearer(bin_url, client):
    url = f"{bin_url}/basic-auth/user/pass%20word"
    assert client.request("GET", url).status == 401
    assert client.request("GET", url, auth=("user", "pass word")).json()["authenticated"] is True
    bearer = http.BearerAuth("token")
    assert client.request("GET", f"{bin_url}/bearer", auth=bearer).json() == {"authenticated": True, "token": "token"}


@needs_httpbin
@pytest.mark.parametrize("quality", ["auth", "auth-int"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_digest(bin_url, client, quality, algorithm):
    url = f"{bin_url}/digest-auth/{quality}/user/secret/{algorithm}"
    response = client.request("GET", url, auth=http.DigestAuth("user", "secret"))
    assert response.json() == {"authenticated": True, "user": "user"}
    assert [early.status for early in response.history] == [401]
    assert client.request("GET", url, auth=http.DigestAuth("user", "wrong")).status == 401


@needs_httpbin
@pytest.mark.parametrize("way", ["redirect", "relative-redirect", "absolute-redirect"])
def test_redirections(bin_url, client, way):
    url = f"{bin_url}/{way}/3"
    assert client.request("GET", url).status == 302
    response = client.request("GET", url, follow_redirects=True)
    assert (response.status, [early.status for early in response.history]) == (200, [302, 302, 302])
    assert response.url == f"{bin_url}/get"


@needs_httpbin
@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_what_becomes_of_a_post(bin_url, client, status, method):
    url = f"{bin_url}/redirect-to?url=/anything&status_code={status}"
    told = client.request("POST", url, content=b"body", follow_redirects=True).json()
    assert (told["method"], told["data"]) == (method, "body" if method == "POST" else "")


@needs_httpbin
def test_cookies_are_kept(bin_url, client):
    assert client.request("GET", f"{bin_url}/cookies/set?a=1&b=2", follow_redirects=True).json()["cookies"] == {
        "a": "1",
        "b": "2",
    }
    assert client.request("GET", f"{bin_url}/cookies/delete?a=", follow_redirects=True).json()["cookies"] == {"b": "2"}


@needs_httpbin
def test_streams(bin_url, client):
    response, pieces = client.streamed("GET", f"{bin_url}/stream/5")
    assert response.headers["transfer-encoding"] == "chunked"
    assert [json.loads(line)["id"] for line in b"".join(pieces).splitlines()] == [0, 1, 2, 3, 4]
    _, pieces = client.streamed("GET", f"{bin_url}/stream-bytes/100000?seed=1&chunk_size=1000")
    assert sum(map(len, pieces)) == 100_000


@needs_httpbin
def test_texts_and_statuses(bin_url, client):
    text = client.request("GET", f"{bin_url}/encoding/utf8").text
    assert "∮ E⋅da = Q" in text
    for status in (200, 204, 404, 418, 503):
        assert client.request("GET", f"{bin_url}/status/{status}").status == status
    with pytest.raises(http.HTTPStatusError, match="404 NOT FOUND"):
        client.request("GET", f"{bin_url}/status/404").raise_for_status()
    assert client.request("HEAD", f"{bin_url}/get").content == b""
    assert client.request("GET", f"{bin_url}/etag/tag", headers={"If-None-Match": '"tag"'}).status == 304


@needs_httpbin
def test_a_deadline(bin_url, client):
    with pytest.raises(TimeoutError):
        client.request("GET", f"{bin_url}/delay/5", timeout=0.2)
    with pytest.raises(TimeoutError):
        client.request("GET", f"{bin_url}/drip?duration=5&numbytes=50&delay=0", timeout=0.4)


# nginx


CONFIGURATION = """
daemon on; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    types {{ text/plain txt; application/octet-stream bin; }}
    gzip on; gzip_min_length 1; gzip_types text/plain; gzip_vary on;
    root {folder}/root;
    server {{
        listen 127.0.0.1:{plain}; keepalive_requests 3;
        location /closing/ {{ alias {folder}/root/; keepalive_timeout 0; }}
        location /small-bodies {{ client_max_body_size 1k; proxy_pass http://127.0.0.1:{plain}/; }}
        location /to-tls {{ return 301 https://localhost:{secure}/text.txt; }}
        location /no-content {{ return 204; }}
        location /hidden {{ auth_basic "realm"; auth_basic_user_file {folder}/users; }}
    }}
    server {{
        listen 127.0.0.1:{secure} ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate};
        location /to-plain {{ return 302 http://127.0.0.1:{plain}/text.txt; }}
    }}
}}
"""
TEXT = "".join(f"line {number} of a text that gets smaller\n" for number in range(5_000)).encode()
DATA = hashlib.shake_256(b"data").digest(3_000_000)


class Nginx:
    def __init__(self, plain, secure):
        self.plain, self.secure = f"http://127.0.0.1:{plain}", f"https://localhost:{secure}"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, authority):
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "root").mkdir()
    (folder / "root" / "text.txt").write_bytes(TEXT)
    (folder / "root" / "data.bin").write_bytes(DATA)
    (folder / "users").write_text("user:{PLAIN}secret\n")
    (folder / "root" / "hidden").write_text("found")
    certificate = authority.issue()
    command = [NGINX, "-c", str(folder / "conf"), "-p", str(folder), "-e", str(folder / "error.log")]
    for _ in range(5):
        # nginx takes no port 0: the system chooses two, and if somebody else is quicker, two others.
        with listening() as plain, listening() as secure:
            ports = plain.getsockname()[1], secure.getsockname()[1]
        (folder / "conf").write_text(
            CONFIGURATION.format(folder=folder, plain=ports[0], secure=ports[1], certificate=certificate)
        )
        # It goes into the background when it listens.
        if subprocess.run(command, check=False, stdin=subprocess.DEVNULL, timeout=30).returncode == 0:
            break
    else:
        pytest.fail((folder / "error.log").read_text())
    try:
        yield Nginx(*ports)
    finally:
        subprocess.run([*command, "-s", "stop"], check=True, timeout=30)


@needs_nginx
def test_kept_until_the_server_has_enough(nginx, client):
    reused = [client.request("GET", f"{nginx.plain}/text.txt").timings.reused for _ in range(7)]
    assert reused == [False, True, True, False, True, True, False]
    response = client.request("GET", f"{nginx.plain}/closing/text.txt")
    assert (response.content, response.headers["connection"]) == (TEXT, "close")
    assert client.client.connections == (0, 0)


@needs_nginx
def test_gzip_comes_in_chunks(nginx, client):
    response = client.request("GET", f"{nginx.plain}/text.txt")
    assert (response.headers["content-encoding"], response.headers["transfer-encoding"]) == ("gzip", "chunked")
    assert response.content == TEXT
    raw = client.request("GET", f"{nginx.plain}/text.txt", decode=False).content
    assert gzip.decompress(raw) == TEXT
    plain = client.request("GET", f"{nginx.plain}/text.txt", headers={"Accept-Encoding": "identity"})
    assert (plain.content, plain.headers["content-length"]) == (TEXT, str(len(TEXT)))


@needs_nginx
def test_ranges_and_conditions(nginx, client):
    url = f"{nginx.plain}/data.bin"
    part = client.request("GET", url, headers={"Range": "bytes=1000-1999"})
    assert (part.status, part.content) == (206, DATA[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(DATA)}"
    assert client.request("GET", url, headers={"Range": f"bytes={len(DATA)}-"}).status == 416
    assert client.request("GET", url, headers={"If-None-Match": part.headers["etag"]}).status == 304
    assert client.request("HEAD", url).headers["content-length"] == str(len(DATA))


@needs_nginx
def test_a_download_is_resumed(nginx, client, tmp_path):
    url, file = f"{nginx.plain}/data.bin", tmp_path / "data.bin"

    def stop(have, _):
        if have > 1_000_000:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        client.download(url, file, progress=stop)
    had = (tmp_path / "data.bin.part").stat().st_size
    assert 1_000_000 < had < len(DATA)
    assert not file.exists()
    seen = []
    client.download(url, file, progress=lambda have, whole: seen.append((have, whole)))
    assert file.read_bytes() == DATA
    assert seen[0][0] > had
    assert seen[-1] == (len(DATA), len(DATA))


@needs_nginx
def test_a_body_that_is_too_large_is_told_so(nginx, client):
    body = b"x" * 5_000_000
    assert client.request("PUT", f"{nginx.plain}/small-bodies", content=body).status == 413
    expecting = {"Expect": "100-continue"}
    response = client.request("PUT", f"{nginx.plain}/small-bodies", content=body, headers=expecting)
    assert response.status == 413
    # The answer came before the body was wanted: it stayed here.
    assert response.wire.sent.endswith(b"\r\n\r\n")


@needs_nginx
def test_credentials(nginx, client):
    assert client.request("GET", f"{nginx.plain}/hidden").status == 401
    assert client.request("GET", f"{nginx.plain}/hidden", auth=("user", "wrong")).status == 401
    assert client.request("GET", f"{nginx.plain}/hidden", auth=("user", "secret")).content == b"found"


@needs_nginx
def test_tls(nginx, kind, authority):
    client = kind(verify=str(authority.file))
    for reused in (False, True):
        response = client.request("GET", f"{nginx.secure}/data.bin")
        assert response.content == DATA
        assert response.timings.reused is reused
    assert (response.timings.tls is None) is True
    followed = client.request("GET", f"{nginx.plain}/to-tls", follow_redirects=True)
    assert (followed.url, followed.content) == (f"{nginx.secure}/text.txt", TEXT)
    with pytest.raises(errors.ProtocolError, match="from https to http"):
        client.request("GET", f"{nginx.secure}/to-plain", follow_redirects=True)


@needs_nginx
def test_tls_of_strangers(nginx, client):
    with pytest.raises(errors.TLSError, match="UnknownIssuer"):
        client.request("GET", f"{nginx.secure}/text.txt")
    # Plain HTTP to a port of TLS is told what it is.
    assert client.request("GET", nginx.secure.replace("https", "http") + "/").status == 400
