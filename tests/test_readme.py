"""What the README shows is what happens."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SESSIONS = re.findall(r"^```console\n\$ python -m explorer (.+)\n([^`]*)```", README, re.MULTILINE)
PYTHON = re.findall(r"^```python\n([^`]*?)```", README, re.MULTILINE)
ROW = r"^\| (\w+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$"

COUNT = """
import contextlib, sys, warnings
warnings.simplefilter("ignore")
from explorer._torchvision import import_torchvision
models = import_torchvision().models
import thop, torch, torchinfo
from explorer import trace_model
torch.set_num_threads(1)
model, image = getattr(models, sys.argv[1])().eval(), torch.zeros(1, 3, 224, 224)
ours = trace_model(model, image.shape).macs
torchinfo_s = torchinfo.summary(model, input_data=image, verbose=0, device="cpu").total_mult_adds
with torch.no_grad():
    thop_s, thop_params = thop.profile(model, (image,), verbose=False)
print(ours / 1e9, torchinfo_s / 1e9, thop_s / 1e9, thop_params / 1e6)
"""


def test_the_python_examples_print_what_is_shown() -> None:
    examples = "".join(block for block in PYTHON if ">>>" in block)
    test = doctest.DocTestParser().get_doctest(examples, {}, "README", "README.md", 0)
    result = doctest.DocTestRunner().run(test)
    assert result.attempted > 5
    assert result.failed == 0


@pytest.mark.parametrize(("command", "shown"), SESSIONS)
def test_the_command_line_examples_print_what_is_shown(
    command: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(shlex.split(command)) == 0
    assert capsys.readouterr().out == shown


def test_the_model_example_is_a_model() -> None:
    (source,) = (block for block in PYTHON if "@register_model" in block)
    script = (
        source
        + """
from explorer import trace_model
print(trace_model("tinynet", (1, 3, 32, 32), options={"width": 8}).params)
"""
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    # (3*3*3 + 1) * 8 + (3*3*8 + 1) * 16 + (16 + 1) * 10
    assert run.stdout == "1562\n"


@pytest.mark.slow
@pytest.mark.parametrize("row", re.findall(ROW, README, re.MULTILINE), ids=lambda row: row[0])
def test_the_table_of_other_tools_is_what_they_say(row: tuple[str, ...]) -> None:
    # In a process of its own: thop leaves buffers in a model and hooks behind.
    run = subprocess.run(
        [sys.executable, "-c", COUNT, row[0]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *counts, thop_params = map(float, run.stdout.split())
    assert tuple(f"{count:.3f}" for count in counts) == row[1:]
    if row[0] == "vit_b_16":
        assert f"{thop_params:.1f} of ViT-B/16's 86.6 million" in README
