"""Command line: python -m d2l_lite train|plot|compare|convert|info."""

import sys

from d2l_lite.command.command_line import main

if __name__ == "__main__":
    sys.exit(main())
