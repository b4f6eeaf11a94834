"""How every test is run."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

#: A machine that is busy with other tests makes no example wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
