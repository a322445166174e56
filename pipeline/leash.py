"""Run a command in its own process group and stop all of it when the parent lets go. Needs the standard library only.

    python leash.py SECONDS SIGNALS COMMAND...

Standard input is the leash. When it closes, because the parent wants the command stopped or because the parent itself
was killed, the command's process group gets the signals, such as INT,TERM,KILL, each SECONDS after the one before. The
same befalls what a command leaves behind that was killed itself. The exit status is the command's, negative signals as
128 + signal.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    patience, command = float(sys.argv[1]), sys.argv[3:]
    signals = [signal.Signals[f"SIG{name}"] for name in sys.argv[2].split(",")]
    # A shell that starts jobs in the background makes them ignore SIGINT, and children would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What the parent wants open in the command, such as a lock or a listening socket, it has passed on to here.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0, close_fds=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from here on only the leash decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=stop_when_released, args=(process, patience, signals), daemon=True).start()
    status = process.wait()
    if status < 0 and not released.is_set():
        end_group(process, patience, signals)
    elif released.is_set():
        stopped.wait()
    return status if status >= 0 else 128 - status


released = threading.Event()
stopped = threading.Event()


def stop_when_released(process: "subprocess.Popen[bytes]", patience: float, signals: list[signal.Signals]) -> None:
    """Wait for the parent to let go, then end the whole group, gently first."""
    while os.read(0, 1):
        pass
    released.set()
    end_group(process, patience, signals)
    stopped.set()


def end_group(process: "subprocess.Popen[bytes]", patience: float, signals: list[signal.Signals]) -> None:
    for number in signals:
        if not signal_group(process.pid, number) or wait_for_group(process, patience):
            break


def signal_group(group: int, number: int) -> bool:
    """Send the signal; False when nobody is left in the group."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def wait_for_group(process: "subprocess.Popen[bytes]", patience: float) -> bool:
    """True as soon as the whole group is gone, False when it is still there after `patience` seconds."""
    pause = threading.Event()
    for _ in range(max(1, int(patience / 0.05))):
        with contextlib.suppress(ChildProcessError):
            process.poll()
        if not signal_group(process.pid, 0):
            return True
        pause.wait(0.05)
    return False


if __name__ == "__main__":
    sys.exit(main())
