"""The tour as a real process: every chapter holds, and one that does not is seen."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import types

import pytest

from eyesocket import _tour
from eyesocket._command import main
from eyesocket._tour.stage import Stage


def tour(*words, **options):
    command = [sys.executable, "-m", "eyesocket", "tour", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, **options)


@pytest.fixture(scope="module")
def whole():
    return tour()


def test_every_chapter_holds(whole):
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert whole.stderr == ""
    assert "✗" not in whole.stdout
    last = whole.stdout.splitlines()[-1]
    assert " 0 failed" in last


def test_it_prints_what_a_reader_of_the_article_looks_for(whole):
    for words in (
        "hello socket world",
        "receive data:[hello udp socket] from 127.0.0.1:",
        "│ hellohello",
        "FIN-WAIT-2",
        "timer:(timewait,",
        "--------------------received--------------------",
        "hello unix domain socket",
    ):
        assert words in whole.stdout, words


def test_chapters_stand_in_the_articles_order(whole):
    at = [whole.stdout.index(_tour.title(name)) for name in _tour.CHAPTERS]
    assert at == sorted(at)


def test_no_line_is_wider_than_the_terminal():
    for line in tour(env={"COLUMNS": "80", "PATH": ""}).stdout.splitlines():
        if not line.lstrip().startswith(("│", "$")):
            assert len(line) <= 100, line


def test_without_rights_all_but_ping_is_shown(powerless):
    done = powerless("-m", "eyesocket", "tour", "--json")
    outcomes = {chapter["name"]: chapter for chapter in json.loads(done.stdout)["chapters"]}
    assert done.returncode == 0, done.stdout + done.stderr
    ping = outcomes.pop("ping")
    assert ping["outcome"] == "skipped"
    assert "ping_group_range" in ping["reason"]
    assert "cap_net_raw" in ping["reason"]
    assert {chapter["outcome"] for chapter in outcomes.values()} == {"held"}


def test_json_says_the_same():
    done = tour("--json", "--chapter", "address", "--chapter", "send_buffer")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["ok"] is True
    assert [chapter["name"] for chapter in told["chapters"]] == ["address", "send_buffer"]
    assert all(claim["held"] for chapter in told["chapters"] for claim in chapter["claims"])


def test_list_names_the_chapters():
    assert [line.split()[0] for line in tour("--list").stdout.splitlines()] == list(_tour.CHAPTERS)


def test_an_unknown_chapter_is_refused():
    done = tour("--chapter", "nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("tell", "outcome", "reason"),
    [
        (lambda stage: stage.check(1 == 2, "one is two"), "failed", "one is two"),
        (lambda stage: 1 / 0, "failed", "ZeroDivisionError: division by zero"),
        (lambda stage: None, "failed", "the chapter checked nothing"),
        (lambda stage: stage.skip("not here"), "skipped", "not here"),
        (lambda stage: stage.check(True, "it is"), "held", ""),
    ],
)
def test_a_planted_chapter_is_seen(monkeypatch, tell, outcome, reason):
    planted = types.ModuleType("planted")
    planted.TITLE, planted.tell = "Planted", tell
    monkeypatch.setitem(sys.modules, "eyesocket._tour.planted", planted)
    out = io.StringIO()
    (told,) = _tour.tell(["planted"], Stage(out))
    assert (told.outcome, told.reason) == (outcome, reason)
    assert reason in out.getvalue() or reason == "the chapter checked nothing"


def test_a_chapter_that_fails_is_the_exit_status(monkeypatch, capsys):
    planted = types.ModuleType("planted")
    planted.TITLE, planted.tell = "Planted", lambda stage: stage.check(False, "no")
    monkeypatch.setitem(sys.modules, "eyesocket._tour.planted", planted)
    monkeypatch.setattr(_tour, "CHAPTERS", ("planted", "address"))
    assert main(["tour"]) == 1
    assert "1 chapters held, 1 failed, 0 skipped" in capsys.readouterr().out


def test_what_came_from_a_socket_does_not_steer_the_terminal():
    out = io.StringIO()
    Stage(out).show("evil \x1b]0;title\x07")
    assert "\x1b" not in out.getvalue()
