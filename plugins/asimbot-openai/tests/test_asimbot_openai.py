"""The judge against a server on loopback that speaks the chat-completions protocol."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asimbot_openai
import pytest

from asimbot_plugins.components import JudgeCase, Verdict
from asimbot_plugins.errors import UserError
from asimbot_plugins.host import Host, new_manager
from asimbot_plugins.recipe import Recipe, recipe_from

pytestmark = pytest.mark.slow
KEY = "sk-a-secret-of-a-test"


class Server:
    def __init__(self) -> None:
        self.script: list[int] = []
        self.requests: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers.get("Authorization")
                outer.requests.append({"path": self.path, "key": key, "body": body})
                status = outer.script.pop(0) if outer.script else 200
                data = json.dumps(outer.answer(body) if status == 200 else {"error": key}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = body["messages"][1]["content"]
        found = re.search(r"<candidates>\n(.*)\n</candidates>", prompt)
        assert found is not None
        verdicts = [{"id": c["id"], "score": len(c["messages"][0])} for c in json.loads(found[1])]
        content = json.dumps({"reason": "longer", "abstain": False, "verdicts": verdicts})
        return {"choices": [{"message": {"content": content}}], "usage": {"prompt_tokens": 9}}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def host() -> Host:
    manager = new_manager()
    manager.register(asimbot_openai)
    return Host(manager)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    start = datetime(2025, 1, 20, 9, 0)
    lines = [
        f"{start + timedelta(days=day, minutes=n):%d/%m/%Y, %H:%M} - {who}: words {day} {n}"
        for day in range(6)
        for n, who in enumerate(["Mina", "Jonas", "Asim"])
    ]
    chat = tmp_path / "chat.txt"
    chat.write_text("\n".join(lines) + "\n", encoding="utf-8")
    block = {"chat_path": str(chat), "friend_path": "Asim"}
    data = {"asimbot": block, "base_model": "none", "output_dir": str(tmp_path / "out")}
    return recipe_from(data, tmp_path / "recipe.yml")


CASE = JudgeCase("<USR_A> hi <SYS>", ("abc", "a"))


def test_a_local_model_is_asked_without_a_question(
    server: Server, host: Host, recipe: Recipe
) -> None:
    judge = host.make("judge", "openai", {"endpoint": server.url, "llm": "tiny"})
    judge.prepare(recipe)
    judge.announce([CASE], lambda statement: pytest.fail("nothing leaves this machine"))
    assert judge.judge([CASE]) == [Verdict((3.0, 1.0), "longer")]
    (sent,) = server.requests
    assert sent["path"] == "/v1/chat/completions"
    assert sent["body"]["model"] == "tiny"
    assert sent["body"]["response_format"]["json_schema"]["strict"] is True


def test_busy_servers_are_asked_again_and_the_key_stays_secret(
    server: Server, host: Host, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.script = [503, 429]
    judge = host.make("judge", "openai", {"endpoint": server.url, "llm": "tiny"})
    judge.prepare(recipe)
    judge.client.first_wait = 0.01
    judge.announce([CASE], lambda statement: False)
    assert judge.judge([CASE])[0].scores == (3.0, 1.0)
    assert len(server.requests) == 3
    server.script = [401]
    with pytest.raises(UserError, match="refused the request") as raised:
        judge.judge([JudgeCase("<USR_A> other <SYS>", ("abc", "a"))])
    assert KEY not in str(raised.value)
    assert {request["key"] for request in server.requests} == {f"Bearer {KEY}"}


def test_another_machine_needs_a_rubric_with_prices(host: Host, recipe: Recipe) -> None:
    judge = host.make("judge", "openai", {"endpoint": "https://example.invalid/v1", "llm": "big"})
    with pytest.raises(UserError, match=r"rubric_path: missing key for example\.invalid"):
        judge.prepare(recipe)


def test_installing_it_is_all_that_it_takes(tmp_path: Path) -> None:
    """pip puts it into a folder of its own; the host then finds the judge by its entry point."""
    here = Path(__file__).parents[1]
    source = tmp_path / "source"
    shutil.copytree(here, source, ignore=shutil.ignore_patterns("tests", "*.egg-info", "build"))
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True)
    listed = subprocess.run(
        [sys.executable, "-m", "asimbot_plugins.cli", "plugins"],
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (line,) = [line for line in listed.splitlines() if line.startswith("openai ")]
    assert line.split()[:4] == ["openai", "judge", "asimbot-openai", "0.1.0"]
