"""The state graph, drawn from the table, with the states of live sockets lit."""

from __future__ import annotations

import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from eyesocket import tcp
from eyesocket.tcp import State

GENERATOR = Path(__file__).parents[3] / "src" / "draw" / "state_layout.py"
SVG = "{http://www.w3.org/2000/svg}"


def test_a_live_connection_is_lit_on_both_ends():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with client, server:
            drawn = tcp.diagram(listener, client=client, server=server)
    expected = ((State.LISTEN, None), (State.ESTABLISHED, "client"), (State.ESTABLISHED, "server"))
    assert drawn.lit == expected
    assert repr(drawn) == "<StateDiagram TCP states: LISTEN, ESTABLISHED (client, server)>"
    assert "▶ [ESTABLISHED]" in str(drawn)


def test_a_state_shows_itself_in_a_notebook():
    shown = State.TIME_WAIT._repr_mimebundle_()
    assert set(shown) == {"text/vnd.mermaid", "image/svg+xml", "text/plain"}
    assert shown["text/plain"] == "<State TIME_WAIT>"
    assert "class TIME_WAIT lit" in shown["text/vnd.mermaid"]
    assert shown["image/svg+xml"] == tcp.diagram(State.TIME_WAIT).svg()


def test_the_svg_is_well_formed_and_has_every_state_and_arrow():
    picture = ET.fromstring(tcp.diagram(State.CLOSE_WAIT).svg())
    assert len(picture.findall(f"{SVG}path")) == len(picture.findall(f"{SVG}polygon")) == 21
    words = [text.text for text in picture.findall(f"{SVG}text")]
    assert {state.value for state in State} <= set(words)
    bold = [text.text for text in picture.findall(f"{SVG}text") if text.get("font-weight") == "700"]
    assert bold == ["CLOSE-WAIT"]


@pytest.mark.parametrize(
    "label", ["<b>&\"'", "]]> --> X: y", "%%{init: {}}%%", "x\nclass CLOSED lit", "\u202eevil", "é" * 500]
)
def test_labels_are_text_and_nothing_else(label):
    drawn = tcp.StateDiagram([(State.CLOSED, label)])
    plain = tcp.StateDiagram([(State.CLOSED, "x")])
    tree, plain_tree = ET.fromstring(drawn.svg()), ET.fromstring(plain.svg())
    assert [element.tag for element in tree.iter()] == [element.tag for element in plain_tree.iter()]
    assert drawn.mermaid().count("\n") == plain.mermaid().count("\n")
    assert not [part for part in ("<b>", "%%", "\u202e", "-->X") if part in drawn.mermaid().replace(" ", "")]
    assert len(str(drawn).splitlines()) == len(str(plain).splitlines())


def test_the_layout_is_fresh():
    done = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stderr) == (0, "")
