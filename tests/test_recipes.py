"""Recipes that need more than a page of documentation: workers that fork, systemd, containers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from docs_support import ROOT
from letters import lead

from lifecycle import LeadStore

SERVE = (ROOT / "docs" / "serve.md").read_text("utf-8")
RECIPES = (ROOT / "docs" / "recipes.md").read_text("utf-8")
BIN = Path(sys.executable).parent


def block(page, language, holds):
    """Return the block of a page that holds a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    (found,) = [one for one in blocks if holds in one]
    return found


def program(shown):
    """Return the statements of an example, without what it prints."""
    return "".join(
        line[4:] for line in shown.splitlines(keepends=True) if line[:4] in {">>> ", "... "}
    )


@pytest.mark.usefixtures("uncovered")
def test_the_recipe_for_celery_holds_in_processes_that_fork(tmp_path):
    shown = program(block(RECIPES, "python", "@queue.task"))
    task = shown[: shown.index("from celery.contrib")]
    folders = {name: str(tmp_path / name) for name in ("queue", "done", "results")}
    for folder in folders.values():
        os.mkdir(folder)  # noqa: PTH102
    transport = {"data_folder_in": folders["queue"], "data_folder_out": folders["queue"]}
    transport |= {"processed_folder": folders["done"]}
    module = task.replace('"memory://"', '"filesystem://"')
    module = module.replace('"cache+memory://"', f'"file://{folders["results"]}"')
    module = f"from lifecycle import LeadStore\n{module}\n"
    module += f"queue.conf.broker_transport_options = {transport!r}\n"
    (tmp_path / "leads_tasks.py").write_text(module)
    messages = [lead("add", "10:00", keys=str(n), id=f"urn:celery:{n}") for n in range(1, 9)] * 2
    client = (
        "import json, sys\nfrom leads_tasks import apply_message\n"
        "waiting = [apply_message.delay(one) for one in json.load(sys.stdin)]\n"
        "print(json.dumps([one.get(timeout=60) for one in waiting]))"
    )
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "-A", "leads_tasks", "worker"),
            *("--pool", "prefork", "--concurrency", "2", "--loglevel", "ERROR"),
        ],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"C_FORCE_ROOT": "1"},
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", client],
            cwd=tmp_path,
            input=json.dumps(messages),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    finally:
        worker.terminate()
        worker.wait(60)
    kinds = json.loads(done.stdout)
    assert sorted(kinds) == ["applied"] * 8 + ["duplicate"] * 8
    with LeadStore(tmp_path / "leads.db") as store:
        assert store.lead_count() == 8
        assert store.verify().defects == ()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    unit = block(SERVE, "ini", "[Service]")
    assert "/opt/lifecycle/bin/lifecycle" in unit
    file = tmp_path / "lifecycle.service"
    file.write_text(unit.replace("/opt/lifecycle/bin/lifecycle", str(BIN / "lifecycle")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "lifecycle" in line]
    assert (done.returncode, said) == (0, []), done.stderr


def has_docker():
    """Return whether images can be built here."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    asked = subprocess.run([docker, "info"], capture_output=True, timeout=30, check=False)
    return asked.returncode == 0


def test_the_steps_of_the_container_lead_to_a_service_that_stops_when_told(tmp_path):
    """Run what the image is made by, here: an image is built where there is Docker alone."""
    recipe = block(SERVE, "dockerfile", "FROM")
    steps = dict(re.findall("^(FROM|RUN|USER|STOPSIGNAL|CMD) (.*)$", recipe, re.MULTILINE))
    assert re.fullmatch(r"python:3\.\d+-slim", steps["FROM"])
    assert int(steps["USER"]) > 0
    assert steps["RUN"] == "pip install --no-cache-dir 'lead-lifecycle[serve]'"
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # What it needs is here already: it is installed from the tree, without that.
    subprocess.run([*pip, "--no-deps", "--target", site, ROOT], check=True, timeout=300)
    config = tmp_path / "lifecycle.toml"
    config.write_text("port = 0\n")
    places = {"/data/leads.db": str(tmp_path / "leads.db"), "/etc/lifecycle.toml": str(config)}
    name, *arguments = [places.get(one, one) for one in json.loads(steps["CMD"])]
    service = subprocess.Popen(
        [sys.executable, "-P", "-m", name, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
    )
    url = service.stdout.readline().rpartition(" at ")[2].strip()
    assert httpx.get(f"{url}/readyz").json() == {"status": "ready"}
    for path in ("/ui/leads", "/ui/htmx.js", "/ui/style.css", "/ui/icon.svg", "/openapi.json"):
        assert httpx.get(f"{url}{path}").status_code == 200
    service.send_signal(signal.Signals[steps["STOPSIGNAL"]])
    assert service.wait(40) == 0
    service.stdout.close()


@pytest.mark.skipif(not has_docker(), reason="there is no Docker that runs")
def test_the_image_is_built(tmp_path):
    recipe = block(SERVE, "dockerfile", "FROM").replace(
        "'lead-lifecycle[serve]'", "'/source[serve]'"
    )
    recipe = recipe.replace("RUN", "COPY . /source\nRUN")
    (tmp_path / "Dockerfile").write_text(recipe)
    subprocess.run(
        ["docker", "build", "--quiet", "--file", tmp_path / "Dockerfile", ROOT],  # noqa: S607
        check=True,
        timeout=900,
    )
