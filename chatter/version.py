"""The version of the package, for whoever wants to name it: the front door and the wire."""

__version__ = "0.1.0"
