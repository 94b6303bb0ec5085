"""A small network of node processes on this machine, for the demo, the measurements and the tests.

`namespaces` builds segments behind a router, `sidecar` speaks with one node, `cluster` starts and
watches many, `ledger` keeps what became of each broadcast, `tree` draws it. All this talks to nodes
the way a program in another language would, by `chatter node --json`, so what it shows is what
users get; only `measure` has nodes of its own, `recorder`, that tell nothing while the clock runs.
Standard library only, but for these two.
"""
