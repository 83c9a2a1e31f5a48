"""The documentation keeps its word: its code runs, its commands exist, its links lead somewhere."""

import contextlib
import doctest
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import spikewise
from spikewise.cli.app import application

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
BLOCK = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SOURCE = Path(spikewise.__file__).parent
LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def named(page):
    return str(page.relative_to(DOCS))


def blocks(page):
    """Kind, text and line number of each fenced block."""
    text = page.read_text(encoding="utf-8")
    return [(match[1], match[2], text.count("\n", 0, match.start()) + 1) for match in BLOCK.finditer(text)]


def module_of(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def public_modules():
    names = {module_of(path) for path in SOURCE.rglob("*.py")}
    return {name for name in names if not any(part.startswith("_") for part in name.split("."))}


@pytest.mark.parametrize("page", [page for page in PAGES if any(b[0] == "python" for b in blocks(page))], ids=named)
def test_the_code_of_a_page_runs_in_order_and_prints_what_it_says(page, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="the pages use both kinds of network")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    printed = ""
    for kind, text, line in blocks(page):
        if kind == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile("\n" * line + text, str(page), "exec"), namespace)
            printed = output.getvalue()
        elif kind == "text":
            assert doctest.OutputChecker().check_output(text, printed, LOOSELY), f"line {line} printed:\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_on_a_page_is_one_that_exists(page):
    commands = typer.main.get_command(application()).commands
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for kind, text, _ in blocks(page):
        for line in text.splitlines() if kind == "console" else []:
            program, *arguments = shlex.split(line.removeprefix("$ "))
            if program == "make":
                assert set(arguments) <= set(targets), line
            if program == "spikewise":
                # Parses names, options and their types, and runs nothing.
                commands[arguments[0]].make_context(arguments[0], arguments[1:])


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).is_file(), target


def test_the_map_is_one_screen_of_files_that_exist():
    lines = (DOCS / "map.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    folder = ""
    for line in lines:
        if not line.startswith("| "):
            continue
        first, *cells = line.strip("|").split("|")
        folder = {"": folder, "beside them": "", "folder": ""}.get(first.strip(), first.strip(" `"))
        for name in re.findall(r"`([\w./]+(?:\.py|/))`", cells[-1]):
            assert (SOURCE / folder / name).exists(), f"{folder}{name}"


def test_the_reference_lists_every_public_folder_once():
    text = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^   (spikewise\.\S+)$", text, re.MULTILINE)
    assert sorted(listed) == sorted(name for name in public_modules() if name.count(".") == 1)


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path):
    for tool in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(tool, reason="the documentation tools are not installed; run make docs once")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", tmp_path / "doctrees"]
    pages = tmp_path / "docs"  # pages of modules are written beside those of people
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("_build", "generated"))
    done = subprocess.run([*command, pages, tmp_path / "html"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modules = {page.stem for page in (tmp_path / "html" / "reference" / "generated").glob("*.html")}
    assert modules == public_modules() - {"spikewise"}
    assert "<math" in (tmp_path / "html" / "concepts" / "early_exit.html").read_text(encoding="utf-8")
