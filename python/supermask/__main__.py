"""The command line: `python -m supermask`, or `supermask`."""

import signal
import sys

from . import _supermask


def main() -> int:
    # The program ends in good order by handlers of its own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _supermask.command(["supermask", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
