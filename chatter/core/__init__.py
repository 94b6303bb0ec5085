"""Values to decisions: what a node makes of what it hears. See README.md in this folder."""
