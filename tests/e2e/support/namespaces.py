"""Networks of a test's own: namespaces on a switch, and routers with NAT between them. Needs root.

    with Internet() as net:
        server = net.join(10)                   # an address on the switch for this process and its children
        attacker = net.host("attacker", 66)     # a namespace on the switch
        home = net.router("home", 2, "10.98.1.0/24", masquerade("10.98.1.0/24"))
        phone = home.host("phone", 5)           # a namespace behind the router
        with phone.entered(): socket.socket()   # this socket stays in there

Names, and the addresses on the switch, depend on the process id: several tests may run at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Network
from pathlib import Path
from typing import Self, TypeVar

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 3
NUMBER = os.getpid() % 250


class Namespace:
    """A network namespace with a loopback interface."""

    def __init__(self, name: str) -> None:
        self.name = f"sipagent-{os.getpid()}-{name}"
        self.address = ""
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def command(self) -> tuple[str, ...]:
        """To be put before the command of a program that is to run in here."""
        return "ip", "netns", "exec", self.name

    def run(self, *arguments: str, stdin: str = "") -> str:
        return run(*self.command, *arguments, stdin=stdin)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets made meanwhile are in here, for good. Not to be held over an await."""
        with open("/proc/self/ns/net") as ours, open(f"/run/netns/{self.name}") as theirs:
            _enter(theirs.fileno())
            try:
                yield
            finally:
                _enter(ours.fileno())

    def delete(self) -> None:
        run("ip", "netns", "delete", self.name)


class Router(Namespace):
    """A namespace between the switch and a network of its own, with NAT by nft rules."""

    def __init__(self, net: Internet, name: str, inside: str) -> None:
        super().__init__(name)
        self._net = net
        self._inside = IPv4Network(inside)
        self._gateway = str(self._inside[1])
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.run("ip", "link", "add", "lan", "type", "bridge")
        self.run("ip", "address", "add", f"{self._gateway}/{self._inside.prefixlen}", "dev", "lan")
        self.run("ip", "link", "set", "lan", "up")

    def host(self, name: str, number: int) -> Namespace:
        """A namespace behind the router."""
        host = self._net.namespace(name)
        host.address = str(self._inside[number])
        self._plug(host.name, "eth0", f"{host.address}/{self._inside.prefixlen}")
        host.run("ip", "route", "add", "default", "via", self._gateway)
        return host

    def join(self, number: int) -> str:
        """An address behind the router for this process itself, which reaches the switch through it."""
        address = str(self._inside[number])
        device = self._net.device()
        self._plug(None, device, f"{address}/{self._inside.prefixlen}")
        run("ip", "route", "add", str(self._net.network), "via", self._gateway, "dev", device)
        return address

    def translate(self, rules: str) -> None:
        """Take other rules of NAT, and forget every mapping."""
        self.run("nft", "-f", "-", stdin=f"flush ruleset\n{rules}")
        self.forget()

    def remembers(self, port: int) -> bool:
        """Is there still a mapping for what came from this UDP port?"""
        return f" sport={port} " in self.run("conntrack", "-L", "-p", "udp")

    def forget(self) -> None:
        """Lose every mapping, as by a restart: what goes out next gets another port."""
        self.run("conntrack", "-F")

    def _plug(self, namespace: str | None, device: str, address: str) -> None:
        plug(self.name, "lan", namespace, device, address)


Made = TypeVar("Made", bound=Namespace)


class Internet:
    """A switch, and everything that is plugged into it. Deleted as a whole."""

    def __init__(self) -> None:
        self.network = IPv4Network(f"198.18.{NUMBER}.0/24")
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._switch = self.namespace("switch")
        self._switch.run("ip", "link", "add", "switch", "type", "bridge")
        self._switch.run("ip", "link", "set", "switch", "up")
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def address(self, number: int) -> str:
        return str(self.network[number])

    def join(self, number: int) -> str:
        """An address on the switch for this process itself."""
        self._plug(None, self.device(), number)
        return self.address(number)

    def host(self, name: str, number: int) -> Namespace:
        host = self.namespace(name)
        host.address = self.address(number)
        self._plug(host.name, "eth0", number)
        return host

    def router(self, name: str, number: int, inside: str, rules: str, *also: int) -> Router:
        """A router that has the address `number`, and the addresses `also`, on the switch."""
        router = self._kept(Router(self, name, inside))
        router.translate(rules)
        router.address = self.address(number)
        self._plug(router.name, "wan", number)
        for each in also:
            router.run("ip", "address", "add", f"{self.address(each)}/24", "dev", "wan")
        return router

    def namespace(self, name: str) -> Namespace:
        return self._kept(Namespace(name))

    def device(self) -> str:
        """A name for an interface of this process's own namespace, which is deleted in the end."""
        name = f"sa{os.urandom(4).hex()}"
        self._stack.callback(run, "ip", "link", "delete", name)
        return name

    def _kept(self, namespace: Made) -> Made:
        self._stack.callback(namespace.delete)
        return namespace

    def _plug(self, namespace: str | None, device: str, number: int) -> None:
        plug(self._switch.name, "switch", namespace, device, f"{self.address(number)}/24")


def masquerade(inside: str) -> str:
    """Rules of a router whose hosts appear under its own address, at ports chosen at random."""
    return f"""table ip nat {{
chain out {{
type nat hook postrouting priority srcnat
ip saddr {inside} oifname "wan" masquerade random,fully-random
}}
}}
"""


def one_to_one(private: str, public: str) -> str:
    """Rules of a router that gives one host an address of its own, ports kept, as clouds do."""
    return f"""table ip nat {{
chain in {{
type nat hook prerouting priority dstnat
ip daddr {public} dnat to {private}
}}
chain out {{
type nat hook postrouting priority srcnat
ip saddr {private} oifname "wan" snat to {public}
}}
}}
"""


class Sniffer:
    """Sees every IPv4 packet that is sent to a namespace's address."""

    def __init__(self, namespace: Namespace) -> None:
        with namespace.entered():
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            self._sock.bind(("eth0", _ETH_P_ALL))
        self._sock.setblocking(False)
        self._to = socket.inet_aton(namespace.address)

    def take(self) -> list[bytes]:
        """The IP packets that came in since the last time."""
        packets = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = self._sock.recv(4096)
                if frame[12:14] == b"\x08\x00" and frame[30:34] == self._to:
                    packets.append(frame[14:])
        return packets

    def close(self) -> None:
        self._sock.close()


def plug(switch: str, bridge: str, namespace: str | None, device: str, address: str) -> None:
    """Join a namespace (None: that of this process) to a bridge in another one."""
    port = f"p{os.urandom(4).hex()}"
    run("ip", "-n", switch, "link", "add", port, "type", "veth", "peer", "name", f"{port}x")
    run("ip", "-n", switch, "link", "set", port, "master", bridge, "up")
    there = ("-n", namespace) if namespace else ()
    target = f"/run/netns/{namespace}" if namespace else f"/proc/{os.getpid()}/ns/net"
    run("ip", "-n", switch, "link", "set", f"{port}x", "netns", target, "name", device)
    run("ip", *there, "address", "add", address, "dev", device)
    run("ip", *there, "link", "set", device, "up")


def run(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(arguments, input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
    return done.stdout


def _enter(fd: int) -> None:
    if _LIBC.setns(fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


IS_ROOT = os.geteuid() == 0
HAS_CONNTRACK = Path("/usr/sbin/conntrack").exists()
