#!/usr/bin/env python3
"""Trains Pico with two tina serves behind nginx, configured with the lines of docs/guide/machines.md.

  python tools/check/nginx_workers.py --tina .build/release/tina

Adapter and metrics are the bytes of a run without servers. Needs nginx (nginx-light).
"""
import argparse
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from programs import ROOT, find_program
from rollout_servers import KEY, fail, free_port, results, run, short_run, train_words, worker


def certificate(folder):
    """A key for localhost and its certificate, signed by itself."""
    files = folder / "tls.key", folder / "tls.pem"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", files[0], "-out", files[1]])
    return files


def configuration(folder, ports, servers):
    """nginx in front of two servers, with and without TLS, with the guide's lines for each."""
    guide = pathlib.Path(ROOT + "/docs/guide/machines.md").read_text()
    block = re.search(r"```nginx\n(.*?)```", guide, re.S)[1]
    key, chain = certificate(folder)
    lines = ["daemon off;", f"pid {folder}/nginx.pid;", "error_log stderr;", "events {}", "http {",
             f"access_log {folder}/access.log;"]
    lines += [f"{name}_temp_path {folder}/{name};" for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]]
    lines += ["server {", f"listen 127.0.0.1:{ports[0]};", f"listen 127.0.0.1:{ports[1]} ssl;",
              f"ssl_certificate {chain};", f"ssl_certificate_key {key};"]
    for name, server in zip("ab", servers):
        lines.append(block.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").replace("/a/", f"/{name}/"))
    return "\n".join([*lines, "}", "}", ""]), chain


def check(tina, folder, program):
    steps, file = 4, folder / "nginx.conf"
    # These two go before SSL_CERT_FILE.
    environment = {k: v for k, v in os.environ.items() if k not in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    changes = short_run(folder, steps)
    run(train_words(tina, changes, folder / "alone"))
    with worker(tina) as first, worker(tina) as second:
        ports = free_port(), free_port()
        text, chain = configuration(folder, ports, [first, second])
        file.write_text(text)
        proxy = subprocess.Popen([program, "-c", str(file)], stdin=subprocess.DEVNULL)
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", ports[0])) == 0:
                        break
                time.sleep(0.1)
            for scheme, port in zip(["http", "https"], ports):
                named = f'["{scheme}://localhost:{port}/a", "{scheme}://localhost:{port}/b"]'
                run(train_words(tina, {**changes, "rollout_servers": named}, folder / scheme),
                    env={**environment, "TINA_API_KEY": KEY, "SSL_CERT_FILE": str(chain)})
                if results(folder / scheme, steps) != results(folder / "alone", steps):
                    fail(f"workers behind nginx give other bytes over {scheme}")
        finally:
            proxy.terminate()
            proxy.wait(30)
    asked = [re.search(r'"(\w+) /(\w)/', line) for line in (folder / "access.log").read_text().splitlines()]
    told = ", ".join(f"{name}: {sum(one.groups() == (method, name) for one in asked if one)} {method}"
                     for name in "ab" for method in ["PUT", "POST"])
    print(f"  {steps} steps through nginx as the guide has it, over HTTP and over TLS: byte-identical adapter and "
          f"metrics ({told})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tina")
    parser.add_argument("--nginx", default="nginx", help="the program")
    arguments = parser.parse_args()
    if not shutil.which(arguments.nginx):
        fail(f"there is no {arguments.nginx} here: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as folder:
        check(os.path.abspath(find_program(arguments.tina)), pathlib.Path(folder), arguments.nginx)


if __name__ == "__main__":
    sys.exit(main())
