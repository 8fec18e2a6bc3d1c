"""`lifecycle replay` on one core, so that it decodes in its own process.

one_core.py DB LOG
"""

from __future__ import annotations

import os
import sys

from lifecycle.cli.main import main

if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sys.argv = ["lifecycle", "replay", *sys.argv[1:], "--format", "json"]
    main()
