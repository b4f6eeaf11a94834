"""Starts a media worker, its modules compiled where they can be had so."""

from sipagent import compiled


def main() -> None:
    compiled.use()
    from sipagent.worker import process  # only now: it imports what may be compiled

    process.main()


if __name__ == "__main__":
    main()
