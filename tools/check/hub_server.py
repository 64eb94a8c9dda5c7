"""A Hugging Face hub on this machine, for checks with real clients: the API and small files on one port, large files
behind a redirect to another, with ETags, ranges and commits as the real one has them.

    python tools/check/hub_server.py org/name=FOLDER ...     serves until it is stopped; prints HF_ENDPOINT
"""

import hashlib
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse


def git_digest(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repository:
    """A folder's files at one commit; files of 10 kB and more are large ones."""

    def __init__(self, folder, leave_out=()):
        self.files = {}
        for root, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = os.path.relpath(os.path.join(root, name), folder)
                if path not in leave_out:
                    with open(os.path.join(root, name), "rb") as file:
                        self.files[path] = file.read()
        self.extra = {}
        self.commit = hashlib.sha1(folder.encode() + b"".join(map(git_digest_bytes, self.files.values()))).hexdigest()

    def is_large(self, path):
        return len(self.files[path]) >= 10_000

    def digest(self, path):
        data = self.files[path]
        return hashlib.sha256(data).hexdigest() if self.is_large(path) else git_digest(data)

    def entries(self, folder, recursive):
        prefix = folder + "/" if folder else ""
        folders = set()
        for path, data in sorted(self.files.items()):
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix):].split("/")
            for i in range(1, len(parts)):
                inner = prefix + "/".join(parts[:i])
                if inner not in folders and (recursive or i == 1):
                    folders.add(inner)
                    yield {"type": "directory", "oid": "d" * 40, "size": 0, "path": inner}
            if len(parts) > 1 and not recursive:
                continue
            entry = {"type": "file", "oid": git_digest(data), "size": len(data), "path": path}
            if self.is_large(path):
                entry["lfs"] = {"oid": self.digest(path), "size": len(data), "pointerSize": 130}
            yield entry


def git_digest_bytes(data):
    return git_digest(data).encode()


class FakeHub:
    """Serves repositories; `faults` maps a path to a list of answers that go wrong, `delay` slows large files."""

    def __init__(self, repositories):
        self.repositories = repositories
        self.faults = {}
        self.requests = []
        self.delay = 0.0
        self.token = None
        self.cdn = self._start(self._cdn)
        self.hub = self._start(self._hub)
        self.endpoint = f"http://127.0.0.1:{self.hub.server_port}"

    def _start(self, answer):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
                hub.requests.append((self.command, path, dict(self.headers)))
                faults = hub.faults.get(path)
                answer(self, path, faults.pop(0) if faults else None)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

            def reply(self, status, headers=(), body=b"", cut=None):
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "HEAD":
                    return
                if cut is not None:
                    self.wfile.write(body[:cut])
                    self.wfile.flush()
                    self.close_connection = True
                    return
                for i in range(0, len(body), 1 << 16):
                    self.wfile.write(body[i : i + (1 << 16)])
                    if hub.delay and len(body) >= 1 << 16:
                        time.sleep(hub.delay)

            def reply_file(self, data, headers, fault):
                headers = dict(headers) | {"Accept-Ranges": "bytes"}
                match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                status = 200
                if match:
                    start = int(match[1])
                    if start >= len(data):
                        return self.reply(416, {"Content-Range": f"bytes */{len(data)}"})
                    headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                    data, status = data[start:], 206
                self.reply(status, headers, data, fault[1] if fault and fault[0] == "cut" else None)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """A client that has gone is nothing to speak of."""

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def _hub(self, request, path, fault):
        if fault and fault[0] == "status":
            return request.reply(fault[1], fault[2] if len(fault) > 2 else {})
        if self.token and request.headers.get("Authorization") != "Bearer " + self.token:
            return request.reply(401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        match = re.match(r"/(?:api/models/)?([^/]+/[^/]+)(/.*)?$", path)
        repository = self.repositories.get(match[1]) if match else None
        if not repository:
            return request.reply(401 if not self.token else 404, {"X-Error-Code": "RepoNotFound"})
        rest = match[2] or ""
        if path.startswith("/api/"):
            return self._api(request, match[1], repository, rest)
        match = re.match(r"/resolve/([^/]+)/(.*)$", rest)
        if not match or match[1] not in ("main", repository.commit):
            return request.reply(404, {"X-Error-Code": "RevisionNotFound"})
        commit = {"X-Repo-Commit": repository.commit}
        if match[2] not in repository.files:
            return request.reply(404, commit | {"X-Error-Code": "EntryNotFound"})
        data = repository.files[match[2]]
        tag = f'"{repository.digest(match[2])}"'
        if repository.is_large(match[2]):
            name = urllib.parse.quote(path.lstrip("/"))
            location = f"http://127.0.0.1:{self.cdn.server_port}/{name}?signature=x"
            return request.reply(
                302, commit | {"Location": location, "X-Linked-Etag": tag, "X-Linked-Size": str(len(data))})
        request.reply_file(data, commit | {"ETag": tag}, fault)

    def _api(self, request, name, repository, rest):
        if rest in ("", "/revision/main", "/revision/" + repository.commit):
            siblings = [{"rfilename": path} for path in repository.files]
            body = {"id": name, "modelId": name, "sha": repository.commit, "siblings": siblings, "private": False,
                    "tags": [], "downloads": 0, "likes": 0}
            return request.reply(200, {"Content-Type": "application/json"}, json.dumps(body).encode())
        match = re.match(rf"/tree/(?:main|{repository.commit})(?:/(.*))?$", rest)
        if not match:
            return request.reply(404, {"X-Error-Code": "RevisionNotFound"})
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        recursive = query.get("recursive", ["false"])[0].lower() == "true"
        entries = list(repository.entries(match[1] or "", recursive))
        if match[1] and not entries:
            return request.reply(404, {"X-Error-Code": "EntryNotFound"})
        request.reply(200, {"Content-Type": "application/json"}, json.dumps(entries).encode())

    def _cdn(self, request, path, fault):
        if fault and fault[0] == "status":
            return request.reply(fault[1], fault[2] if len(fault) > 2 else {})
        # Whoever sends the hub's token here gives it away.
        if request.headers.get("Authorization"):
            return request.reply(400)
        match = re.match(r"/([^/]+/[^/]+)/resolve/[^/]+/(.*)$", path)
        repository = self.repositories.get(match[1]) if match else None
        if not repository or match[2] not in repository.files:
            return request.reply(404)
        request.reply_file(repository.files[match[2]], {"ETag": '"cdn"'}, fault)


def main():
    repositories = {}
    for argument in sys.argv[1:]:
        name, folder = argument.split("=", 1)
        repositories[name] = Repository(folder)
    if not repositories:
        sys.exit(__doc__)
    print(f"export HF_ENDPOINT={FakeHub(repositories).endpoint}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
