"""Every name, value, kind and member of the stock modules is there, alike, and nothing else but what we declare.

The surface is read in processes of their own, by the same program: one that has the stock `_socket`, one that has ours
in its place, and one that imports `eyesocket.socket` beside the stock module.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import eyesocket
from eyesocket import _socket_more

READ = """
import enum, importlib, inspect, json, re, sys

def signature(value):
    try:
        return re.sub(" at 0x[0-9a-f]+", "", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return None

def kind(value):
    name = type(value).__name__
    if isinstance(value, enum.Enum):
        return f"enumeration {type(value).__module__}.{name}.{value.name}"
    if isinstance(value, type):
        return f"{name} of {[base.__name__ for base in value.__mro__]}"
    return name

def told(value):
    if isinstance(value, (int, str, bytes, float, tuple, frozenset)) or value is None:
        return repr(value)
    if isinstance(value, (list, set)):
        return repr(sorted(value, key=repr))
    return None

def members(cls):
    return {
        name: [kind(value), None if name in {"__module__", "__doc__", "__slots__"} else told(value), signature(value)]
        for name, value in vars(cls).items()
    }

OWN = "builtins cached file loader name spec doc all package path annotations".split()

def of(module):
    return {
        name: [kind(value), told(value), signature(value), getattr(value, "__module__", None)]
        for name, value in vars(module).items()
        if name.strip("_") not in OWN
    }

def of_class(cls):
    return {
        "members": members(cls),
        "flags": cls.__flags__ & ~(1 << 19),  # Whether the type has been used.
        "size": cls.__basicsize__,
        "item": cls.__itemsize__,
        "weak": cls.__weakrefoffset__,
        "dictionary": cls.__dictoffset__,
        "bases": [f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__],
        "text": cls.__text_signature__,
    }

face = importlib.import_module(sys.argv[1])
native = importlib.import_module("_socket")
if sys.argv[1] != "socket":
    from eyesocket import _standard
    native = _standard.native
surface = {
    "face": of(face),
    "native": of(native),
    "all": sorted(face.__all__),
    "native names": sorted(name for name in dir(native) if name.strip("_") not in OWN),
    "names": sorted(dir(face)),
    "enumerations": {
        name: {member: int(value) for member, value in getattr(face, name).__members__.items()}
        for name in ("AddressFamily", "SocketKind", "MsgFlag", "AddressInfo")
    },
    "identities": [
        face.error is OSError, face.timeout is TimeoutError, native.error is OSError, native.timeout is TimeoutError,
        face.gaierror is native.gaierror, face.herror is native.herror, face.SocketType is native.socket,
        native.SocketType is native.socket, issubclass(face.socket, native.socket),
    ],
}
for name, cls in (
    ("native socket", native.socket), ("socket", face.socket), ("SocketIO", face.SocketIO),
    ("gaierror", native.gaierror), ("herror", native.herror),
):
    surface[name] = of_class(cls)
json.dump(surface, sys.stdout)
"""

INJECT = str(Path(eyesocket.__file__).parent / "_inject")


def surface(name, inject=False):
    """Read a module's surface in a process that has nothing else."""
    path = [INJECT] if inject else []
    path.append(str(Path(eyesocket.__file__).parent.parent))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    words = [sys.executable, "-W", "ignore", "-c", READ, name]
    return json.loads(subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout)


@pytest.fixture
def stock():
    return surface("socket")


def differences(expected, given, path=""):
    """Name each place where two surfaces differ."""
    if isinstance(expected, dict) and isinstance(given, dict):
        return [
            found
            for key in sorted(expected.keys() | given.keys())
            for found in differences(expected.get(key, "nothing"), given.get(key, "nothing"), f"{path}/{key}")
        ]
    return [] if expected == given else [f"{path}: stock has {expected}, ours {given}"]


def test_the_injected_module_differs_in_nothing(stock):
    ours = surface("socket", inject=True)
    assert ours["native"].pop("__eyesocket__")[1] == repr(eyesocket.__version__)
    ours["native names"].remove("__eyesocket__")
    assert differences(stock, ours) == []
    assert len([name for name in stock["native"] if name.isupper()]) > 300


def test_the_module_beside_the_stock_one_has_what_is_declared_and_no_more(stock):
    ours = surface("eyesocket.socket")
    methods = ours["socket"]["members"]
    for name in _socket_more.METHODS:
        assert methods.pop(name)[0] == "function"
    declared = {"Datagram", "explain"}
    assert declared <= set(ours["all"])
    ours["all"] = sorted(set(ours["all"]) - declared)
    private = {name for name in ours["face"] if name.startswith("_")} - set(stock["face"])
    assert private <= {"_socket_more", "_standard"}
    for name in declared | private:
        del ours["face"][name]
        ours["names"].remove(name)
    text = json.dumps(ours).replace("eyesocket.socket", "socket")
    assert "happy_eyeballs: 'bool' = False" in ours["face"]["create_connection"][2]
    ours = json.loads(text)
    # Its one option more is at the end, by name alone.
    for each in (ours, stock):
        each["face"]["create_connection"][2] = None
    assert differences(stock, ours) == []
