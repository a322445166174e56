"""The newest commit of a dataset repository on the hub, for a spec: `python -m effopd.datasets.pin OWNER/NAME`."""

from __future__ import annotations

import sys


def main() -> None:
    from huggingface_hub import HfApi

    if len(sys.argv) != 2:
        sys.exit("usage: python -m effopd.datasets.pin OWNER/NAME")
    try:
        print(HfApi().dataset_info(sys.argv[1]).sha)  # noqa: T201 - a command
    except Exception as error:  # noqa: BLE001 - whatever the hub says, in one line
        sys.exit(f"error: {sys.argv[1]}: {' '.join(str(error).split())[:300]}")


if __name__ == "__main__":
    main()
