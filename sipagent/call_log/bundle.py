"""All that is known of one call, in one ZIP file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec

from sipagent.call_log.ladder import drawn
from sipagent.call_log.story import story


def write_bundle(record: Mapping[str, Any], path: Path) -> list[str]:
    """Write the bundle of a call; returns what it should hold and can't, with the reason. Raises OSError."""
    missing: list[str] = []
    with ZipFile(path, "w", ZIP_DEFLATED) as bundle:
        bundle.writestr("record.json", json.dumps(record, indent=2, ensure_ascii=False))
        bundle.writestr("timeline.txt", story(record))
        bundle.writestr("rtp.json", json.dumps(record.get("rtp") or {}, indent=2))
        bundle.writestr("turns.json", json.dumps(record.get("turns") or [], indent=2, ensure_ascii=False))
        for kind in ("recording", "transcript", "ladder"):
            file = record.get(kind)
            if not file:
                missing.append(f"{kind}: the call has none")
            elif not Path(file).is_file():
                missing.append(f"{kind}: {file} is not on this machine; retention may have deleted it")
            else:
                bundle.write(file, f"{kind}{Path(file).suffix}")
                if kind == "ladder":
                    bundle.writestr("ladder.txt", drawn(read_messages(Path(file))))
        if missing:
            bundle.writestr("missing.txt", "\n".join(missing) + "\n")
    return missing


def read_messages(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a ladder's file; a line that a crash tore is left out."""
    for line in path.read_bytes().splitlines():
        try:
            yield msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            continue
