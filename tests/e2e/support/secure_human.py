"""A telephone that is called, and answers with SRTP."""

from __future__ import annotations

from tests.e2e.support.human import HumanPhone
from tests.e2e.support.secure_phone import SecurePhone


class SecureHuman(HumanPhone, SecurePhone):
    """Rings and talks as `HumanPhone` does; of the suites that it is offered it takes the first it knows."""

    def _offer(self) -> str:
        """The SDP of our answer: who is called makes no offer."""
        assert self.invited is not None
        return self._answer_to(self.invited.body)
