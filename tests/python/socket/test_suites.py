"""The interpreter's own test suites over our `_socket`: each test ends as it does over the stock one, in the same run.

The suites come from the interpreter's `test` package, unmodified, in processes of their own. Ours are injected by a
path file of a virtual environment, because many tests start interpreters that ignore PYTHONPATH.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import eyesocket

SUITES = {
    "test_socket": ["-i", "*VSOCK*"],  # Hangs where there is no loopback transport of VSOCK, over stock too.
    "test_timeout": [],
    "test_socketserver": [],
    "test_select": [],
    "test_selectors": [],
    "test_ssl": ["-i", "*test_load_verify_cadata*"],
    "test_audit": [],
    "test_httplib": [],
}

INJECT = Path(eyesocket.__file__).parent / "_inject"

COUNT = """
import atexit, os, sys
sys.path.insert(0, {inject!r})
import _socket
if not hasattr(_socket, "__eyesocket__"):
    raise SystemExit("the stock _socket was found first")
with open({counter!r}, "a") as file:
    file.write("x")
"""


def environment(folder, inject):
    """Make a virtual environment that has ours, or the stock `_socket`; and count the processes that have ours."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    python = folder / "bin" / "python"
    if inject:
        where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        packages = Path(subprocess.check_output(where, text=True).strip())
        counter = folder / "counter"
        (packages / "count_eyesocket.py").write_text(COUNT.format(inject=str(INJECT), counter=str(counter)))
        (packages / "eyesocket.pth").write_text("import count_eyesocket\n")
    return python


@pytest.fixture(scope="module")
def pythons(tmp_path_factory):
    if importlib.util.find_spec("test.libregrtest") is None:
        pytest.skip("this interpreter has no test package")
    if "_socket" in sys.builtin_module_names:
        pytest.skip("this interpreter has _socket built in")
    folder = tmp_path_factory.mktemp("environments")
    return environment(folder / "stock", False), environment(folder / "ours", True)


def alone():
    """Words before a command that let it run in a network of its own, with nothing but the loopback interface."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("the suites run in a network namespace, which needs unshare and ip")
    user = [] if os.geteuid() == 0 else ["-r"]
    words = ["unshare", *user, "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("the suites run in a network namespace, which this user may not make")
    return words


def started(python, suite, folder):
    """Start a suite, which writes what becomes of its tests into the folder."""
    folder.mkdir()
    words = ["-m", "test", "-u", "network", "--timeout", "120", "--junit-xml", str(folder / "outcomes.xml")]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*alone(), str(python), *words, *SUITES[suite], suite],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=variables,
            cwd=folder,
        )


def outcomes(folder):
    """Give what became of each test, by name."""
    assert (folder / "outcomes.xml").exists(), (folder / "log").read_text(errors="replace")
    found = {}
    for case in ET.parse(folder / "outcomes.xml").getroot().iter("testcase"):
        tags = {child.tag for child in case}
        failed = "failed" if tags & {"failure", "error"} else None
        found[case.get("name")] = failed or ("skipped" if "skipped" in tags else "passed")
    return found


@pytest.mark.parametrize("suite", SUITES)
def test_no_test_ends_unlike_stock(pythons, suite, tmp_path):
    if importlib.util.find_spec(f"test.{suite}") is None:
        pytest.skip(f"this interpreter has no test.{suite}")
    stock, ours = pythons
    with started(stock, suite, tmp_path / "stock") as theirs, started(ours, suite, tmp_path / "ours") as own:
        for process in (theirs, own):
            process.wait(600)
    expected, given = outcomes(tmp_path / "stock"), outcomes(tmp_path / "ours")
    unlike = {name: (expected.get(name), given.get(name)) for name in expected | given}
    assert {name: pair for name, pair in unlike.items() if pair[0] != pair[1]} == {}
    assert "passed" in given.values()


def test_it_was_our_code_that_ran(pythons):
    counter = pythons[1].parent.parent / "counter"
    assert counter.stat().st_size > 0
    words = [str(pythons[1]), "-I", "-c", "import _socket; print(_socket.__eyesocket__)"]
    assert subprocess.check_output(words, text=True).strip() == eyesocket.__version__
    assert sysconfig.get_path("stdlib") in subprocess.check_output(
        [str(pythons[0]), "-I", "-c", "import _socket; print(_socket.__file__)"], text=True
    )
