"""The README's examples run, in order, as a reader would paste them."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def test_the_examples_of_the_readme_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    steps, mean_steps, own = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ of 350 steps, \d+ nJ, EDP -\d+%", steps)
    assert 1 <= float(mean_steps) <= 4
    assert re.fullmatch(r"weights 8 bits, states 16 bits, network input 8 bits: [\d.]+ uJ, \d+ us, [\d.]+ mm2", own)
    assert names["model"].score(names["test"].images, names["test"].labels) > 0.85


def test_every_link_of_the_readme_leads_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", (PROJECT / "README.md").read_text(encoding="utf-8")):
        assert target.startswith("https://arxiv.org/") or (PROJECT / target).exists(), target
