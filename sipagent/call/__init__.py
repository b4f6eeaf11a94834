"""A call's story: admission, state, session, record."""
