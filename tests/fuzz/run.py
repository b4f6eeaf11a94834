"""Fuzz one target, guided by coverage: `python -m tests.fuzz.run TARGET --seconds N`.

Stops at the first finding, which is printed and written to `var/fuzz/`. To run such a file alone:
`python -m tests.fuzz.run TARGET FILE`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

import atheris

# Ours, and what parses for us in Python: coverage guides there.
with atheris.instrument_imports(include=["rtp", "sipagent", "aioice.stun"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.bounds import bounded, peak_memory
from tests.fuzz.inputs import CORPUS, FINDINGS, REGRESSIONS

MAX_INPUT_BYTES = 8192
"""No longer than a SIP message may be (PJSIP_MAX_PKT_LEN); a datagram is shorter."""
HANG_S = 20
"""For what `bounded` cannot interrupt: a loop outside Python."""
RSS_LIMIT_MB = 1024
"""For what adds up over many inputs: a leak."""


def main() -> None:
    options = _options()
    target = partial(bounded, TARGETS[options.target], memory=peak_memory)
    target(b"")  # so that what is loaded on first use counts against no input
    atheris.Setup([sys.argv[0], *_flags(options.target, options.seconds), *_inputs(options)], target)
    atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz one parser, guided by coverage.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("inputs", nargs="*", metavar="FILE", help="run these inputs once instead of fuzzing")
    parser.add_argument("--seconds", type=int, default=60)
    return parser.parse_args()


def _flags(target: str, seconds: int) -> list[str]:
    FINDINGS.mkdir(parents=True, exist_ok=True)
    return [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={RSS_LIMIT_MB}",
        f"-artifact_prefix={FINDINGS / target}-",
        "-print_final_stats=1",
    ]


def _inputs(options: argparse.Namespace) -> list[str]:
    """Files to run, or corpora: the first is where new inputs that reach new code are kept."""
    if options.inputs:
        return list(options.inputs)
    found = FINDINGS / "corpus" / options.target
    found.mkdir(parents=True, exist_ok=True)
    given = [folder / options.target for folder in (CORPUS, REGRESSIONS)]
    return [str(folder) for folder in (found, *given) if folder.is_dir()]


if __name__ == "__main__":
    main()
