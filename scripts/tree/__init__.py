"""A publisher that broadcasts as fast as it can, and what its subscribers make of it."""
