"""What a listener gets: law bytes that arrived, or that were made up."""

from typing import NamedTuple


class Frame(NamedTuple):
    """Audio that arrived: law bytes exactly as the peer sent them (or transcoded from the other law)."""

    payload: bytes


class Concealed(NamedTuple):
    """Audio that did not arrive: law bytes made up for it. `lost` tells loss from the sender's silence."""

    payload: bytes
    lost: bool
