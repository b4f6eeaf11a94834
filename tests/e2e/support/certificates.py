"""Certificates for a test's own listeners."""

from __future__ import annotations

import subprocess
from pathlib import Path


def certificate(directory: Path, address: str) -> tuple[Path, Path]:
    """Self-signed, for an IP address: certificate and key."""
    files = directory / "server.pem", directory / "server.key"
    subject = ("-subj", f"/CN={address}", "-addext", f"subjectAltName=IP:{address}")
    key = (
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    )  # RSA's takes a second to find
    make = ("openssl", "req", "-x509", *key, "-days", "2")
    subprocess.run([*make, *subject, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files
