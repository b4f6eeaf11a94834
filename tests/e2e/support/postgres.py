"""A PostgreSQL server of our own on loopback, that can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e.support import processes
from tests.e2e.support.ports import free_port

PATIENCE_S = 30.0
USER = "sipagent"


class Postgres:
    """`directory` belongs to whom it runs as, because it refuses to be root."""

    def __init__(self, directory: Path, as_user: list[str]) -> None:
        self.port = free_port()
        self._data = directory / "data"
        self._sockets = directory
        self._as_user = as_user
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self._data, "-U", USER, "-A", "trust", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Returns when it takes connections. Does nothing if it runs."""
        if self._process is not None:
            return
        options = ("-p", str(self.port), "-k", self._sockets, "-c", "listen_addresses=127.0.0.1")
        notify = self._sockets / "notify"
        with _service_manager(notify) as manager, open(self._sockets / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, _binary("postgres"), "-D", self._data, *options, "-c", "fsync=off"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"NOTIFY_SOCKET": str(notify)},
            )
            self._become_ready(manager)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self._process is None:
            return
        for pid in (self._process.pid, *processes.children(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    def _become_ready(self, manager: socket.socket) -> None:
        try:
            while b"READY=1" not in manager.recv(4096):
                pass
        except TimeoutError:
            raise AssertionError((self._sockets / "log").read_text()[-2000:]) from None

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self._as_user, _binary(program), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Running; gone with all that it held at the end. As root it runs as the user that Debian made for it."""
    directory = Path(tempfile.mkdtemp(prefix="sipagent-postgres-"))
    as_user: list[str] = []
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
    server = Postgres(directory, as_user)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(directory)


@contextlib.contextmanager
def _service_manager(path: Path) -> Iterator[socket.socket]:
    """The other end of sd_notify(3), which Debian's build of the server uses, whoever it runs as."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        path.chmod(0o666)
        manager.settimeout(PATIENCE_S)
        yield manager


def _binary(name: str) -> str:
    """Debian keeps each version's programs in a directory of its own, outside of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else name
