"""`import_torchvision`: for real in a fresh process, and with an import that fails on order."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from types import ModuleType

import pytest

from explorer import _torchvision
from explorer._torchvision import import_torchvision


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr  # quiet
    return done.stdout.strip()


def test_it_returns_torchvision_once_for_eight_threads_and_timm_imports_after_it() -> None:
    assert (
        _run("""
            from concurrent.futures import ThreadPoolExecutor
            from explorer._torchvision import import_torchvision
            with ThreadPoolExecutor(8) as pool:
                modules = list(pool.map(lambda _: import_torchvision(), range(8)))
            assert len(set(map(id, modules))) == 1
            import torchvision, timm
            assert torchvision is modules[0] and torchvision.extension
            print(torchvision.models.resnet18.__name__)
        """)
        == "resnet18"
    )


def test_importing_explorer_does_not_import_torchvision() -> None:
    assert _run("import sys, explorer; print('torchvision' in sys.modules)") == "False"


class _Import:
    """Stands in for importlib: raises these errors one after another, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def import_module(self, name: str) -> ModuleType:
        if self.errors:
            raise self.errors.pop(0)
        return ModuleType(name)


def _missing(operator: str) -> RuntimeError:
    return RuntimeError(f"operator torchvision::{operator} does not exist")


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operators that were declared; nothing really is, and nothing is forgotten."""
    operators: list[str] = []
    monkeypatch.setattr(_torchvision, "_declare", operators.append)
    monkeypatch.setattr(_torchvision, "_forget_torchvision", lambda: None)
    return operators


def test_where_the_operators_exist_nothing_is_declared(
    declared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_torchvision, "importlib", _Import())

    assert import_torchvision().__name__ == "torchvision"
    assert not declared


def test_each_missing_operator_is_declared_and_the_import_begun_again(
    declared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_torchvision, "importlib", _Import(_missing("nms"), _missing("qnms")))

    assert import_torchvision().__name__ == "torchvision"
    assert declared == ["nms", "qnms"]


@pytest.mark.parametrize(
    "error", [_missing("roi_align"), RuntimeError("something else"), ImportError("no torchvision")]
)
def test_any_other_failure_is_passed_on(
    error: Exception, declared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_torchvision, "importlib", _Import(error))

    with pytest.raises(type(error)) as caught:
        import_torchvision()
    assert caught.value is error
    assert not declared
