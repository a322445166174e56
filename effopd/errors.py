"""What goes wrong outside the project and its files."""

from __future__ import annotations


class MachineError(RuntimeError):
    """Something that this machine lacks or forbids. The message says what, and what to do."""
