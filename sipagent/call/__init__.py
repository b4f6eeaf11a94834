"""The life of one call, in and out: admitted, answered, directed, handed on, recorded."""
