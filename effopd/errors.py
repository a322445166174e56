"""What goes wrong outside the project and its files, and what is said of it."""

from __future__ import annotations


class MachineError(RuntimeError):
    """Something that this machine lacks or forbids. The message says what, and what to do."""


def explained(error: Exception) -> str | None:
    """An error of the machine in one line of bounded length; None where it is a mistake of this program."""
    if isinstance(error, OSError) and error.strerror:  # a full disk, a folder that may not be written
        where = f"{error.filename}: " if error.filename else ""
        return one_line(f"{where}{error.strerror}")
    text = str(error)
    if isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text:
        return one_line(f"out of memory: {text or 'this machine has too little of it'}")
    return None


def one_line(text: object, length: int = 1000) -> str:
    """Whatever is said, without its line breaks and cut at a length."""
    line = " ".join(str(text).split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
