"""What the package exports, and how light its import is."""

import subprocess
import sys
from pathlib import Path

import pytest

import lifecycle
import lifecycle.auditing
import lifecycle.domain
import lifecycle.engine
import lifecycle.errors
import lifecycle.exporting
import lifecycle.messages
import lifecycle.mocking
import lifecycle.replay
import lifecycle.service
import lifecycle.store

PACKAGES = (
    lifecycle,
    lifecycle.auditing,
    lifecycle.domain,
    lifecycle.engine,
    lifecycle.errors,
    lifecycle.exporting,
    lifecycle.messages,
    lifecycle.mocking,
    lifecycle.replay,
    lifecycle.service,
    lifecycle.store,
)


def isort_style(name):
    """Constants, then classes, then functions."""
    return (not name.isupper(), not name[0].isupper(), name)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_exports_are_sorted_and_there(package):
    names = package.__all__
    assert names == sorted(
        names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    assert all(hasattr(package, name) for name in names)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_everything_public_is_exported(package):
    own = {
        name
        for name, thing in vars(package).items()
        if not name.startswith("_")
        and getattr(thing, "__module__", "").startswith("lifecycle")
        and getattr(thing, "__module__", "") not in ("lifecycle.cli", "lifecycle.lazy")
    }
    assert own <= set(package.__all__)


#: What is no class and no function, and is explained where the table of exports is generated.
PLAIN = {"STATES", "TRIGGERS", "Message", "Moment", "State", "Trigger", "Verdict"}


@pytest.mark.parametrize("name", sorted(set(lifecycle.__all__) - PLAIN))
def test_everything_exported_is_explained(name):
    assert getattr(lifecycle, name).__doc__


def test_the_package_is_typed():
    assert Path(lifecycle.__file__).with_name("py.typed").exists()


@pytest.mark.parametrize("heavy", ["rich", "pandas", "tomli_w", "lifecycle.cli"])
def test_importing_the_library_does_not_import(heavy):
    code = f"import sys, lifecycle; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_line_imports_rich_only_when_it_prints():
    code = "import sys, lifecycle.cli; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_packages_within_are_there():
    code = "import lifecycle; lifecycle.errors.StoreError, lifecycle.store.LeadStore"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_not_exported_is_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = lifecycle.nonsense
    assert dir(lifecycle) == sorted(lifecycle.__all__)


def test_importing_the_library_imports_what_is_asked_for():
    code = (
        "import sys, lifecycle; sys.exit(any(one.startswith('lifecycle.') for one in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_first_screen_waits_for_no_store_and_no_audit():
    program = (
        "import sys\n"
        "from lifecycle.cli import cli\n"
        "try:\n"
        "    cli(['--help'])\n"
        "except SystemExit:\n"
        "    heavy = {'lifecycle.domain', 'lifecycle.store', 'lifecycle.auditing', 'rich'}\n"
        "    sys.exit(sorted(heavy & set(sys.modules)) or 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
