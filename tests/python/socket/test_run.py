"""`eyesocket run`: the program is as it would be without us, except for whose sockets it has."""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import eyesocket

COMMAND = [sys.executable, "-m", "eyesocket", "run"]
CHECK = "import _socket, socket; assert _socket.__eyesocket__, socket.socket"


def run(*words, **options):
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60, **options)
    return done.returncode, done.stdout, done.stderr


def test_a_script_sees_what_it_would_see_without_us(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, _socket\nprint(__name__, sys.argv, sys.path[0], _socket.__eyesocket__)\nsys.exit(3)\n"
    )
    status, output, errors = run(str(script), "-h", "--version", "x y")
    assert (status, errors) == (3, "")
    assert (
        output.split()
        == (f"__main__ {[str(script), '-h', '--version', 'x y']} {tmp_path} {eyesocket.__version__}").split()
    )


def test_code_and_modules():
    assert run("-c", CHECK + "; import sys; print(sys.argv)", "-m", "a") == (0, "['-c', '-m', 'a']\n", "")
    status, output, _ = run("-m", "json.tool", "-h")
    assert status == 0
    assert "json.tool" in output


def test_standard_input():
    assert run("-", input=f"{CHECK}; print('in')")[:2] == (0, "in\n")


def test_options_of_the_interpreter_are_kept():
    command = [
        sys.executable,
        "-X",
        "utf8=1",
        "-W",
        "error",
        "-m",
        "eyesocket",
        "run",
        "-c",
        "import sys; print(sys.warnoptions)",
    ]
    assert "'error'" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_program_may_come_from_standard_input():
    told = "import sys, _socket; print(sys.argv, _socket.__eyesocket__)"
    version = eyesocket.__version__
    assert run(input=told) == (0, f"[''] {version}\n", "")
    assert run("-u", input=told) == (0, f"[''] {version}\n", "")
    assert run("-", "-a", "b", input=told) == (0, f"['-', '-a', 'b'] {version}\n", "")


def test_no_program_at_a_terminal_is_wrong_words():
    ours, theirs = os.openpty()
    try:
        status, output, errors = run(stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (status, output) == (2, "")
    assert errors.count("\n") == 1
    assert "SCRIPT" in errors


FLAGS = "import sys; print(sys.flags, sys.warnoptions, sorted(sys._xoptions), sys.argv, sys.stdout.write_through)"


@pytest.mark.parametrize(
    "options",
    [
        ["-W", "error", "-X", "dev"],
        ["-Werror", "-Xdev", "-u"],
        ["-OO"],
        ["-uO", "-W", "error::ResourceWarning"],
        ["-bB", "-s", "-P"],
        ["--check-hash-based-pycs", "never", "-qO"],
        ["-X", "utf8=1", "-dv"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    "program", [["-c", FLAGS], [f"-c{FLAGS}"], [f"-Oc{FLAGS}"]], ids=["apart", "attached", "joined"]
)
def test_options_of_the_interpreter_are_passed_on(options, program):
    words = [*options, *program, "-O", "-W", "x"]
    plain = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    assert run(*words)[:2] == (0, plain.stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-Z"], "-Z"),
        (["--nope", "x"], "--nope"),
        (["-u", "--nope", "x"], "--nope"),
        (["-c"], "-c needs a value"),
        (["-um"], "-m needs a value"),
        (["-W"], "-W needs a value"),
        (["--processes"], "--processes"),
        (["--print-path", "x"], "alone"),
        (["--print-pth", "--print-path"], "alone"),
        (["--print-path", "-u"], "alone"),
    ],
    ids=str,
)
def test_wrong_words(words, said):
    status, output, errors = run(*words)
    assert (status, output) == (2, "")
    assert errors.count("\n") == 1
    assert said in errors


@pytest.mark.parametrize("option", ["-E", "-I", "-uI"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_an_interpreter_that_ignores_the_environment_is_refused(option, place):
    options = ([option], []) if place == "before" else ([], [option])
    words = [sys.executable, *options[0], "-m", "eyesocket", "run", *options[1], "-c", ""]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "PYTHONPATH" in done.stderr
    assert "--print-pth" in done.stderr


def test_interpreters_are_counted(tmp_path):
    file = tmp_path / "processes"
    child = [sys.executable, "-c", "0"]
    code = f"""
import subprocess, sys
subprocess.run({child}, check=True)
subprocess.run([*{child[:1]}, "-I", "-c", "0"], check=True)
subprocess.run({child}, check=True, env={{}})
"""
    # The two that ignore the environment have the stock module, as --help says, and do not count.
    socket_too = code.replace('"0"', '"import socket"').replace("'0'", "'import socket'")
    assert run("--processes", str(file), "-c", f"import socket\n{socket_too}", "word")[0] == 0
    lines = file.read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("'word']")


def test_a_pth_file_is_for_every_process_of_an_environment(tmp_path):
    status, line, _ = run("--print-pth")
    assert (status, line.count("\n")) == (0, 1)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.check_output(where, text=True).strip()
    Path(packages, "eyesocket-run.pth").write_text(line)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for words, environment in (([], clean), (["-E"], clean), (["-I"], clean), ([], {})):
        told = subprocess.run(
            [str(python), *words, "-c", CHECK], env=environment, capture_output=True, text=True, check=True
        )
        assert told.stderr == ""


def test_the_path_by_hand():
    status, path, _ = run("--print-path")
    assert status == 0
    environment = {**os.environ, "PYTHONPATH": path.strip()}
    subprocess.run([sys.executable, "-c", CHECK], env=environment, check=True)


@pytest.mark.skipif(
    "_socket" in sys.builtin_module_names, reason="_socket is built in here, and ours comes before it by site"
)
def test_the_package_need_not_be_installed():
    _, path, _ = run("--print-path")
    environment = {**os.environ, "PYTHONPATH": path.strip()}
    # -S: no site-packages.
    subprocess.run([sys.executable, "-S", "-c", CHECK], env=environment, check=True)


def test_processes_of_the_program(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        f"""
import multiprocessing, subprocess, sys

def check(_=None):
    import _socket
    return _socket.__eyesocket__

if __name__ == "__main__":
    subprocess.run([sys.executable, "-c", {CHECK!r}], check=True)
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(method, pool.map(check, [0])[0])
"""
    )
    status, output, errors = run(str(script))
    assert (status, errors) == (0, "")
    version = eyesocket.__version__
    assert output == f"fork {version}\nspawn {version}\nforkserver {version}\n"


def test_sockets_travel_between_processes(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        """
import multiprocessing, socket

def work(connection):
    end = connection.recv()
    end.sendall(b"from the child")
    end.close()

if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=work, args=(there,))
    child.start()
    ours, theirs = socket.socketpair()
    here.send(theirs)
    theirs.close()
    print(ours.recv(100))
    child.join()
"""
    )
    assert run(str(script)) == (0, "b'from the child'\n", "")


def test_tls_runs_over_it(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        """
import _socket, socket, ssl, sys, threading
assert _socket.__eyesocket__
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(sys.argv[1])
client = ssl.create_default_context(cafile=sys.argv[1])
client.check_hostname = False
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    raw, _ = listener.accept()
    with server.wrap_socket(raw, server_side=True) as end:
        end.sendall(end.recv(100).upper())
thread = threading.Thread(target=serve)
thread.start()
with socket.create_connection(listener.getsockname(), timeout=10) as raw:
    with client.wrap_socket(raw) as end:
        end.sendall(b"hello")
        print(end.recv(100), end.version())
thread.join()
listener.close()
"""
    )
    certificate = tmp_path / "certificate.pem"
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificate")
    words = "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "crt")]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    certificate.write_text((tmp_path / "key").read_text() + (tmp_path / "crt").read_text())
    assert run(str(script), str(certificate)) == (0, "b'HELLO' TLSv1.3\n", "")


def test_a_sub_interpreter_has_the_stock_module():
    code = """
import _socket
assert _socket.__eyesocket__
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
inner = interpreters.create()
work = "import socket; a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'"
failed = interpreters.run_string(inner, work)
assert failed is None, failed
interpreters.destroy(inner)
print("done")
"""
    assert run("-c", code)[:2] == (0, "done\n")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def started(words, port, **options):
    """A server of the system's, ready to be connected to."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options) as process:
        try:
            end = time.monotonic() + 20
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < end, "the server does not come up"
                wait_for(process, 0.02)
            yield process
        finally:
            process.terminate()


def wait_for(process, seconds):
    """Give the server a moment; if it ends, the next look says so."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def needs(command, module):
    found = shutil.which(command) or shutil.which(command, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{command} is not installed")
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the Python package {module} is not installed")
    return found


def test_redis(tmp_path):
    server, port = needs("redis-server", "redis"), free_port()
    script = tmp_path / "program.py"
    script.write_text(
        f"""
{CHECK}
import redis
with redis.Redis(port={port}, socket_timeout=10) as client:
    with client.pipeline() as pipe:
        for number in range(2000):
            pipe.set(f"key{{number}}", "x" * number)
        pipe.execute()
    assert [len(value) for value in client.mget([f"key{{n}}" for n in range(2000)])] == list(range(2000))
    listener = client.pubsub()
    listener.subscribe("news")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    client.publish("news", "today")
    assert listener.get_message(timeout=5)["data"] == b"today"
    listener.close()
    try:
        client.blpop("nothing", timeout=0.1)
    finally:
        print("done")
"""
    )
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with started(words, port):
        assert run(str(script)) == (0, "done\n", "")


def test_requests_against_nginx(tmp_path):
    server, port = needs("nginx", "requests"), free_port()
    (tmp_path / "body").write_bytes(bytes(range(256)) * 8192)
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} "
        f"http {{ access_log off; {folders} gzip on; gzip_types *; "
        f"server {{ listen 127.0.0.1:{port}; location / {{ root {tmp_path}; }} }} }}"
    )
    script = tmp_path / "program.py"
    script.write_text(
        f"""
{CHECK}
import requests
from concurrent.futures import ThreadPoolExecutor
with requests.Session() as session, ThreadPoolExecutor(8) as pool:
    url = "http://127.0.0.1:{port}/body"
    bodies = set(pool.map(lambda _: session.get(url, timeout=20).content, range(64)))
    assert bodies == {{bytes(range(256)) * 8192}}
    assert session.get(url + "x").status_code == 404
print("done")
"""
    )
    chmod_parents(tmp_path)
    with started([server, "-c", str(configuration), "-p", str(tmp_path), "-e", str(tmp_path / "start.log")], port):
        assert run(str(script)) == (0, "done\n", "")


def postgres_server(folder):
    """The program, and words before it that give up root, as which it does not run; with a database in `folder`."""
    server = Path(needs("postgres", "pg8000")).resolve()
    initdb = server.parent / "initdb"
    if not initdb.exists():
        pytest.skip("initdb is not installed beside postgres")
    other = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("PostgreSQL does not run as root, and setpriv is not installed")
        other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        os.chown(folder, 65534, 65534)
        chmod_parents(folder)
    made = [*other, str(initdb), "-D", str(folder / "data"), "-U", "reader", "-A", "trust", "-N", "--locale=C"]
    done = subprocess.run(made, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [*other, str(server), "-D", str(folder / "data"), "-h", "127.0.0.1", "-k", "", "-F"]


def test_pg8000_against_postgresql(tmp_path):
    words, port = postgres_server(tmp_path), free_port()
    script = tmp_path / "program.py"
    script.write_text(
        f"""
{CHECK}
import pg8000.native
with pg8000.native.Connection("reader", host="127.0.0.1", port={port}, database="postgres", timeout=20) as db:
    db.run("CREATE TABLE numbers (number int, text text, bytes bytea)")
    db.run("START TRANSACTION")
    for number in range(200):
        db.run("INSERT INTO numbers VALUES (:n, :t, :b)", n=number, t="x" * number, b=bytes([number]) * number)
    db.run("COMMIT")
    rows = db.run("SELECT * FROM numbers ORDER BY number")
    assert rows == [[n, "x" * n, bytes([n]) * n] for n in range(200)]
    assert len(db.run("SELECT repeat('y', 4000000)")[0][0]) == 4000000
    try:
        db.run("SELECT nonsense")
    except pg8000.native.DatabaseError:
        print("done")
"""
    )
    script.chmod(0o644)
    with started([*words, "-p", str(port)], port, cwd=tmp_path):
        assert run(str(script)) == (0, "done\n", "")


def test_pymysql_against_mariadb(tmp_path):
    server, port = needs("mariadbd", "pymysql"), free_port()
    local = tmp_path / "s"
    (tmp_path / "data").mkdir()
    # Without tables of rights it makes the rest of its folder itself.
    words = [server, "--no-defaults", f"--datadir={tmp_path / 'data'}", "--skip-grant-tables", "--skip-name-resolve"]
    words += [f"--socket={local}", f"--pid-file={tmp_path / 'pid'}", f"--port={port}", "--bind-address=127.0.0.1"]
    words += ["--max-allowed-packet=64M", *(["--user=root"] if os.geteuid() == 0 else [])]
    script = tmp_path / "program.py"
    script.write_text(
        f"""
{CHECK}
import pymysql
for where in (dict(user="root", host="127.0.0.1", port={port}), dict(user="root", unix_socket={str(local)!r})):
    with pymysql.connect(read_timeout=20, max_allowed_packet=1 << 26, **where) as db, db.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE DATABASE numbers")
        cursor.execute("CREATE TABLE numbers.numbers (number INT, text TEXT, bytes BLOB)")
        rows = [(n, "ü" * n, bytes([n]) * n) for n in range(200)]
        cursor.executemany("INSERT INTO numbers.numbers VALUES (%s, %s, %s)", rows)
        db.commit()
        cursor.execute("SELECT * FROM numbers.numbers ORDER BY number")
        assert cursor.fetchall() == tuple(rows)
        # More than fits into one packet of the protocol.
        cursor.execute("SELECT %s", (bytes(1 << 24),))
        assert len(cursor.fetchone()[0]) == 1 << 24
        try:
            cursor.execute("SELECT nonsense")
        except pymysql.err.OperationalError as error:
            assert error.args[0] == 1054
        else:
            raise AssertionError
    with pymysql.connect(read_timeout=0.2, **where) as db, db.cursor() as cursor:
        try:
            cursor.execute("SELECT SLEEP(30)")
        except pymysql.err.OperationalError as error:
            assert "timed out" in str(error)
        else:
            raise AssertionError
    print("done")
"""
    )
    with started(words, port, cwd=tmp_path):
        assert run(str(script)) == (0, "done\ndone\n", "")


def ssh_server(folder):
    """The program, and words before it that give root the folder that it wants; with keys in `folder`."""
    server = needs("sshd", "paramiko")
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed beside sshd")
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    before = []
    if os.geteuid() == 0 and not Path("/run/sshd").is_dir():
        before = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"', "sh"]
        if shutil.which("unshare") is None or subprocess.run([*before, "true"], check=False).returncode:
            pytest.skip("sshd needs /run/sshd, which is not there, nor a namespace to make it in")
    return [*before, server]


def test_paramiko_against_sshd(tmp_path):
    words, port = ssh_server(tmp_path), free_port()
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "user.pub",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "PidFile": "none",
        "Subsystem": "sftp internal-sftp",
    }
    configuration = tmp_path / "configuration"
    configuration.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {(tmp_path / 'host.pub').read_text()}")
    script = tmp_path / "program.py"
    script.write_text(
        f"""
{CHECK}
import getpass, io, paramiko
with paramiko.SSHClient() as client:
    client.load_host_keys({str(tmp_path / "known")!r})
    client.connect("127.0.0.1", {port}, getpass.getuser(), key_filename={str(tmp_path / "user")!r}, timeout=20,
                   allow_agent=False, look_for_keys=False)
    data = bytes(range(256)) * 4096
    into, out, _ = client.exec_command("wc -c; echo $SSH_CONNECTION; exit 3")
    into.write(data)
    into.channel.shutdown_write()
    count, connection = out.read().decode().splitlines()
    assert int(count) == len(data)
    assert connection.endswith("127.0.0.1 {port}")
    assert out.channel.recv_exit_status() == 3
    with client.open_sftp() as files:
        files.putfo(io.BytesIO(data), {str(tmp_path / "copy")!r})
        back = io.BytesIO()
        files.getfo({str(tmp_path / "copy")!r}, back)
    assert back.getvalue() == data
    with client.get_transport().open_channel("direct-tcpip", ("127.0.0.1", {port}), ("127.0.0.1", 9)) as through:
        assert through.recv(4) == b"SSH-"
print("done")
"""
    )
    with started([*words, "-D", "-f", str(configuration)], port):
        assert run(str(script)) == (0, "done\n", "")


def chmod_parents(folder):
    """The server's workers run as another user."""
    for entry in (folder, folder.parent, folder.parent.parent):
        with contextlib.suppress(PermissionError):
            entry.chmod(0o755)


def test_gunicorn_under_load(tmp_path):
    load, port = needs("wrk", "gunicorn"), free_port()
    (tmp_path / "application.py").write_text(
        f"""
{CHECK}
def application(environ, start_response):
    import _socket
    body = _socket.__eyesocket__.encode() * 100
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
    )
    words = [*COMMAND, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "2", "application:application"]
    with started(words, port, cwd=tmp_path):
        done = subprocess.run(
            [load, "-t1", "-c8", "-d1s", "--timeout", "30s", f"http://127.0.0.1:{port}/"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert "Non-2xx" not in done.stdout
    assert "Socket errors" not in done.stdout
    assert "requests in" in done.stdout


def test_the_sitecustomize_that_ours_hides_runs_all_the_same(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import os\nos.environ['SITE_RAN'] = __file__\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    told = run("-c", "import os, sitecustomize; print(os.environ['SITE_RAN'], sitecustomize.__file__)", env=environment)
    path = str(tmp_path / "sitecustomize.py")
    assert told == (0, f"{path} {path}\n", "")
