"""A small web server for one person on this machine: one page, two calls, no network."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asimbot_plugins.arena.game import MODES, Game
from asimbot_plugins.errors import UserError

HOST = "127.0.0.1"
_MOST_BYTES = 10_000


class ArenaServer(ThreadingHTTPServer):
    """Serves a game on loopback; ``port`` 0 takes a free one. ``lock`` guards the game."""

    daemon_threads = True

    def __init__(self, game: Game, port: int) -> None:
        self.game = game
        self.lock = threading.Lock()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UserError(
                f"port {port} can't be used ({error.strerror})", "choose another with --port"
            ) from error

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: ArenaServer

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if not self._is_local():
            self._send(403, "text/plain", b"this page is for this machine alone")
        elif path.path == "/":
            page = resources.files("asimbot_plugins.arena").joinpath("page.html").read_bytes()
            self._send(200, "text/html; charset=utf-8", page)
        elif path.path == "/next":
            mode = parse_qs(path.query).get("mode", ["blind"])[0]
            if mode not in MODES:
                self._json(400, {"error": "mode is blind or rank"})
                return
            with self.server.lock:
                state = self.server.game.state(mode)
            self._json(200, state)
        else:
            self._send(404, "text/plain", b"not here")

    def do_POST(self) -> None:
        # A page of another site can't send JSON here without asking first, and we don't answer.
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        if not self._is_local() or not is_json or self.path != "/answer":
            self._send(403, "text/plain", b"no")
            return
        try:
            size = int(self.headers.get("Content-Length") or 0)
            if not 0 <= size <= _MOST_BYTES:
                raise ValueError
            sent = json.loads(self.rfile.read(size))
            id_, answer = str(sent["id"]), sent["answer"]
        except (ValueError, KeyError, TypeError):
            self._json(400, {"error": "not an answer"})
            return
        try:
            with self.server.lock:
                record = self.server.game.answer(id_, answer)
                score = self.server.game.score()
        except UserError as error:
            self._json(400, {"error": str(error)})
            return
        shown: dict[str, Any] = {
            key: record[key] for key in ("real", "correct", "ranking") if key in record
        }
        self._json(200, {**shown, "score": score})

    def _is_local(self) -> bool:
        # A name that somebody points at 127.0.0.1 (DNS rebinding) is not ours.
        port = self.server.server_address[1]
        return self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}")

    def _json(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        self._send(status, "application/json", body)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
