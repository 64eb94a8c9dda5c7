"""A server for the page of `tina serve` that answers as it is told: slowly, at length, or wrongly."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PageServer:
    """Serves `html` under `policy`. The first word of a message tells how it is answered:

    - `say TEXT`: with the text, in pieces
    - `think COUNT`: with so many tokens of thinking, as fast as they go, from `words`
    - `slow COUNT`: with so many tokens of thinking, one every 30 ms
    - `cut`, `full`, `wrong`: half, not, or with an error of the server
    """

    def __init__(self, html, policy, words=("one ", "two ", "three.\n\n")):
        self.html, self.policy, self.words = html.encode(), policy, words
        self.key = None
        self.requests = []
        self.server = None
        self.port = 0
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_GET(self):
                owner.get(self)

            def do_POST(self):
                owner.post(self)

        ThreadingHTTPServer.allow_reuse_address = True
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def reply(self, handler, status, kind, body, **headers):
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def fail(self, handler, status, message):
        self.reply(handler, status, "application/json", json.dumps({"error": {"message": message}}).encode())

    def get(self, handler):
        if handler.path == "/":
            return self.reply(handler, 200, "text/html; charset=utf-8", self.html,
                              **{"Content-Security-Policy": self.policy})
        if self.key and handler.headers.get("Authorization") != "Bearer " + self.key:
            return self.fail(handler, 401, "found no key, expected one")
        models = {"data": [{"id": "base"}, {"id": "math", "parent": "base"}]}
        return self.reply(handler, 200, "application/json", json.dumps(models).encode())

    def post(self, handler):
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.requests.append(body)
        word, _, rest = body["messages"][-1]["content"].partition(" ")
        if self.key and handler.headers.get("Authorization") != "Bearer " + self.key:
            return self.fail(handler, 401, "found no key, expected one")
        if word == "full":
            return self.fail(handler, 429, "128 requests wait.")
        if word == "wrong":
            return self.fail(handler, 503, "a file of the weights was changed.")
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()

        def event(delta, reason=None, **more):
            choice = {"delta": delta, "finish_reason": reason}
            handler.wfile.write(f"data: {json.dumps({'seed': 5, 'choices': [choice], **more})}\n\n".encode())
            handler.wfile.flush()

        try:
            if word in ("think", "slow"):
                for i in range(int(rest)):
                    event({"reasoning_content": self.words[i % len(self.words)]})
                    if word == "slow":
                        time.sleep(0.03)
            if word == "cut":
                event({"content": "half an"})
                return None
            text = rest if word == "say" else "The answer is $\\boxed{24}$."
            for i in range(0, len(text), 7):
                event({"content": text[i:i + 7]})
                if word == "say" and len(text) < 2000:
                    time.sleep(0.01)
            event({}, "stop")
            usage = {"seed": 5, "choices": [], "usage": {"completion_tokens": 9}}
            handler.wfile.write(f"data: {json.dumps(usage)}\n\ndata: [DONE]\n\n".encode())
        except OSError:
            pass  # the page stopped it
        return None
