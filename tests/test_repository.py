"""Rules of the whole repository that no linter knows.

What import-linter can check stands in pyproject.toml; app.py is no package, so it is checked here.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
APP = ROOT / "app.py"
PAGES = sorted(path for path in ROOT.glob("pages/*/*.py") if path.parent.name != "shared")
FOLDERS = ("explorer", "pages", "tests", "tools", "benchmarks", ".streamlit", ".ci")
TEXT_SUFFIXES = {"", ".css", ".csv", ".js", ".json", ".md", ".po", ".py", ".sh", ".toml", ".txt"}


def _files() -> list[Path]:
    """All text files of the project."""
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    paths = [*ROOT.iterdir(), *inside]
    return sorted(path for path in paths if path.is_file() and path.suffix in TEXT_SUFFIXES)


def _sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, in functions too, as it is written."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "a relative import"
            yield node.module


def _third_party(paths: list[Path]) -> set[str]:
    own = {"app", "benchmarks", "explorer", "pages", "tests", "tools"}
    roots = {module.split(".")[0] for path in paths for module in _imports(path)}
    return roots - own - set(sys.stdlib_module_names)


def _pinned(file: str) -> dict[str, str]:
    """Package -> version of a requirements file, without the files that it includes."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    requirements = [line for line in lines if line and not line.startswith("-r ")]
    return {name: version for name, _, version in (line.partition("==") for line in requirements)}


@pytest.mark.parametrize("path", [APP, *PAGES], ids=_name)
def test_a_page_is_a_flat_script_without_a_class(path: Path) -> None:
    classes = [node.name for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)]
    assert classes == []


@pytest.mark.parametrize("path", [APP, *_sources("pages")], ids=_name)
def test_only_the_cache_modules_cache(path: Path) -> None:
    used = {node.attr for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute)}
    caches = used & {"cache_data", "cache_resource"}
    assert path.parent == ROOT / "pages/shared/cache" or not caches
    assert "functools" not in _imports(path)


def test_the_app_leaves_torch_to_the_explorer() -> None:
    roots = {module.split(".")[0] for module in _imports(APP)}
    assert not roots & {"torch", "torchvision", "thop", "torchinfo", "timm"}


def test_tracing_a_model_loads_neither_the_app_s_packages_nor_the_peers() -> None:
    script = """
import sys
import explorer, explorer.cli
explorer.trace_model(explorer.list_models()[0], explorer.get_spec("lenet5").input_shape)
print(*sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert "torch" in loaded
    assert not loaded & {"streamlit", "plotly", "torchvision", "timm", "thop", "torchinfo"}


def test_every_requirement_is_pinned() -> None:
    for file in (
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-bench.txt",
        "requirements-sweep.txt",
    ):
        assert all(re.fullmatch(r"[\w.]+", version) for version in _pinned(file).values())


def test_the_app_imports_what_its_requirements_name() -> None:
    # A module's name is not always that of the package that brings it.
    named = {name.replace("-", "_").removesuffix("_python") for name in _pinned("requirements.txt")}
    named |= {"PIL"} if "pillow" in named else set()
    assert _third_party([APP, *_sources("explorer", "pages")]) <= named


def test_what_two_requirement_files_name_has_one_version() -> None:
    development, benchmark = _pinned("requirements-dev.txt"), _pinned("requirements-bench.txt")
    for name in development.keys() & benchmark.keys():
        assert development[name] == benchmark[name]


def test_the_tests_import_what_the_development_requirements_name() -> None:
    files = ("requirements.txt", "requirements-dev.txt", "requirements-sweep.txt")
    named = {name for file in files for name in _pinned(file)}
    # Packages that are imported under another name than they are installed by.
    named |= {"_pytest", "PIL", "google", "playwright", "xdist"}
    assert _third_party(_sources("tests")) <= named


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_no_file_names_a_path_or_a_registry_of_one_machine(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"(?<![\w.])/(?:home|root|tmp|work|Users)/\w+", text) == []
    assert re.findall(r"python[h]osted|pyp[i]\.org|npm[j]s|[/.]debia[n]\.org", text) == []


@pytest.mark.parametrize("path", [APP, *_sources("explorer", "pages")], ids=_name)
def test_nothing_is_left_to_be_written(path: Path) -> None:
    raised = [node.exc for node in ast.walk(_tree(path)) if isinstance(node, ast.Raise)]
    assert not [exc for exc in raised if exc and "NotImplemented" in ast.unparse(exc)]


def test_the_readme_sets_up_and_runs_the_app_in_one_line() -> None:
    line = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && "
    assert f"\n{line}.venv/bin/streamlit run app.py\n" in README


def test_the_first_start_asks_for_no_email_address() -> None:
    config = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    assert config["server"]["showEmailPrompt"] is False


def test_the_checks_run_the_readme_s_own_test_command() -> None:
    pattern = re.search(r"grep -E '(.+)' README\.md", (ROOT / ".ci/run").read_text())
    assert pattern
    lines = re.findall(pattern[1], README, re.MULTILINE)
    assert len(lines) == 1


def test_every_command_is_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    commands = re.findall(r"^    (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert {"list", "trace"} <= set(commands)
    for command in commands:
        assert f"python -m explorer {command}" in README


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
