"""How a process of a measurement tells what it did: JSON lines on its standard output."""

import json
from typing import Any


def tell(event: str, **what: Any) -> None:
    """One line for whoever started us."""
    print(json.dumps({"event": event, **what}), flush=True)
