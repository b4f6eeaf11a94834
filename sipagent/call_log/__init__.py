"""The database of calls: fed from the spool, asked by `sipagent calls`, kept as long as policy says."""
