"""A server on loopback that speaks the part of the Gemini REST protocol that we use, badly.

``script`` is a list of faults, one a request, taken in order of arrival; after it every
request is answered well. An answer scores each candidate by ``policy(messages)``.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeGemini:
    def __init__(self) -> None:
        self.script: list[str] = []
        self.policy: Callable[[list[str]], int] = lambda messages: 5
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.at_once = 0
        self._running = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.handle(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def handle(self, http: BaseHTTPRequestHandler) -> None:
        body = json.loads(http.rfile.read(int(http.headers["Content-Length"])))
        with self._lock:
            self._running += 1
            self.at_once = max(self.at_once, self._running)
            key = http.headers.get("x-goog-api-key")
            self.requests.append({"path": http.path, "key": key, "body": body})
            self.times.append(time.monotonic())
            fault = self.script.pop(0) if self.script else ""
        try:
            self._respond(http, body, fault, key)
        finally:
            with self._lock:
                self._running -= 1

    def _respond(
        self, http: BaseHTTPRequestHandler, body: dict[str, Any], fault: str, key: str | None
    ) -> None:
        if not re.fullmatch(r"/v1beta/models/[\w.-]+:generateContent", http.path):
            return _send(http, 404, {"error": {"code": 404, "message": "no such method"}})
        if fault.startswith("429"):
            delay = fault.partition(" ")[2] or "0s"
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
            error = {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}
            return _send(http, 429, {"error": {**error, "details": [retry]}})
        if fault == "500":
            return _send(
                http, 500, {"error": {"code": 500, "message": "boom", "status": "INTERNAL"}}
            )
        if fault == "400":
            message = f"API key not valid: {key}"
            return _send(http, 400, {"error": {"code": 400, "message": message, "status": "BAD"}})
        if fault == "not http json":
            return _send(http, 200, "<html>hello</html>")
        if fault.startswith("slow"):
            time.sleep(float(fault.partition(" ")[2]))
        text = self._answer(body)
        if fault == "not json":
            text = "I would say the first one!"
        elif fault == "missing id":
            answer = json.loads(text)
            answer["verdicts"].pop()
            text = json.dumps(answer)
        elif fault == "wrong id":
            text = text.replace('"id": "', '"id": "x', 1)
        elif fault == "off the scale":
            text = re.sub(r'"score": \d+', '"score": 99', text, count=1)
        return _send(
            http,
            200,
            {
                "candidates": [
                    {
                        "content": {"role": "model", "parts": [{"text": text}]},
                        "finishReason": "STOP",
                    }
                ],
                "usageMetadata": {
                    "promptTokenCount": 1000,
                    "candidatesTokenCount": 80,
                    "thoughtsTokenCount": 20,
                    "totalTokenCount": 1100,
                },
            },
        )

    def _answer(self, body: dict[str, Any]) -> str:
        prompt = body["contents"][0]["parts"][0]["text"]
        found = re.search(r"<candidates>\n(.*)\n</candidates>", prompt)
        if found is None:  # the context selector's question
            numbers = [
                item["n"] for item in json.loads(re.search(r"<chat>\n(.*)\n</chat>", prompt)[1])
            ]  # type: ignore[index]
            return json.dumps({"messages": numbers[:2]})
        candidates = json.loads(found[1])
        verdicts = [{"id": c["id"], "score": self.policy(c["messages"])} for c in candidates]
        return json.dumps({"reason": "because", "abstain": False, "verdicts": verdicts})


def _send(http: BaseHTTPRequestHandler, status: int, body: Any) -> None:
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    http.send_response(status)
    http.send_header("Content-Type", "application/json")
    http.send_header("Content-Length", str(len(data)))
    http.end_headers()
    http.wfile.write(data)
