"""Decisions meet the world: sockets, clocks, randomness and greenlets, on gevent.

What ``core`` asks for is carried out here, and what the network says is handed to it as values. The
code is blocking-style and runs one greenlet per outgoing peer, per incoming connection and per
multicast group. It relies on a process that was monkey patched by its program, and therefore always
refers to patched modules by module name; nothing in here patches anything itself.
"""
