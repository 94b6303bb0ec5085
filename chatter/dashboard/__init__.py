"""The dashboard: what the whole cluster does, live, in a browser.

::

    events of the core -> feed -> stats (pure) -> snapshots and changes -> server -> web/
"""
