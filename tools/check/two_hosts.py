"""Two hosts for mpirun on one machine; needs root, `ip` and `tc`."""

import os
import pathlib
import shutil
import subprocess

HOSTS = ["tina-a", "tina-b"]


class TwoHosts:
    """Two network namespaces, joined by a virtual cable of limited speed."""

    def __init__(self, folder, rate):
        self.folder, self.rate = pathlib.Path(folder), rate

    def __enter__(self):
        self.remove()
        for number, name in enumerate(HOSTS, 1):
            os.makedirs(f"/etc/netns/{name}", exist_ok=True)
            pathlib.Path(f"/etc/netns/{name}/hosts").write_text(
                "127.0.0.1 localhost\n" + "".join(f"10.77.0.{i} {host}\n" for i, host in enumerate(HOSTS, 1)))
            subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "link", "add", "va", "netns", HOSTS[0], "type", "veth", "peer", "name", "vb", "netns",
                        HOSTS[1]], check=True)
        for number, (name, device) in enumerate(zip(HOSTS, ["va", "vb"]), 1):
            inside = ["ip", "netns", "exec", name]
            for words in [["ip", "addr", "add", f"10.77.0.{number}/24", "dev", device],
                          ["ip", "link", "set", device, "up"], ["ip", "link", "set", "lo", "up"]]:
                subprocess.run(inside + words, check=True)
            if self.rate:
                subprocess.run(inside + ["tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", self.rate,
                                         "burst", "256kb", "latency", "50ms"], check=True)
        # What ssh is on real hosts: a command on another one.
        self.agent = self.folder / "agent"
        self.agent.write_text('#!/bin/sh\nhost=$1\nshift\nexec ip netns exec "$host" unshare -u '
                              'sh -c "hostname $host; exec sh -c \'$*\'"\n')
        self.agent.chmod(0o755)
        return self

    def mpirun(self, bench, count, *more):
        inner = [*bench.mpirun(count), "--host", ",".join(f"{name}:{count}" for name in HOSTS), "--map-by", "node",
                 "--mca", "plm_rsh_agent", str(self.agent), "--mca", "btl_tcp_if_include", "10.77.0.0/24",
                 "--mca", "oob_tcp_if_include", "10.77.0.0/24", *more]
        return ["ip", "netns", "exec", HOSTS[0], "unshare", "-u", "sh", "-c",
                f'hostname {HOSTS[0]}; exec "$@"', "sh", *inner]

    @staticmethod
    def sent():
        """Bytes that the cable has carried in both directions."""
        total = 0
        for name, device in zip(HOSTS, ["va", "vb"]):
            text = subprocess.run(["ip", "netns", "exec", name, "cat", f"/sys/class/net/{device}/statistics/tx_bytes"],
                                  capture_output=True, text=True, check=True).stdout
            total += int(text)
        return total

    def remove(self):
        for name in HOSTS:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
            shutil.rmtree(f"/etc/netns/{name}", ignore_errors=True)

    def __exit__(self, *_):
        self.remove()
