"""What one message enters of the store and the engine on its way."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOMS = Path(__file__).parents[1] / "scripts" / "rooms"


@pytest.mark.usefixtures("uncovered")
def test_one_apply_enters_at_most_16_modules_and_reads_nothing_while_it_writes():
    done = subprocess.run(
        [sys.executable, ROOMS, "--here"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    *modules, entered, reads = done.stdout.splitlines()
    assert re.fullmatch(rf"applied: {len(modules)} modules entered, of 16 at most", entered)
    assert all(one.startswith("lifecycle.") for one in modules)
    assert reads == "0 reads between the first write and the last"
