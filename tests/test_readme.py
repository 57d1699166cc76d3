"""Runs the README's Python blocks one after another and compares what they print."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)
LINK = re.compile(r"\]\(([^)#][^)]*)\)")


def comparable(text):
    """Split into words and numbers; errors of a trained network vary with the machine."""
    words = text.split()
    return [pytest.approx(float(w), rel=0.1) if w.isdigit() else w for w in words]


def test_the_code_runs_and_prints_what_the_readme_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = BLOCK.findall(README)
    assert len(blocks) >= 6
    for code, shown in blocks:
        exec(compile(code, "README.md", "exec"), names)
        assert comparable(capsys.readouterr().out) == comparable(shown)
    assert (tmp_path / "model.keras").exists()


@pytest.mark.parametrize("target", sorted(set(LINK.findall(README))))
def test_links_lead_to_files_and_sections(target):
    path, _, section = target.partition("#")
    text = (Path(__file__).parents[1] / path).read_text(encoding="utf-8")
    headings = re.findall(r"#+ (.*?)(?:\\n)?\"", text) if section else []
    assert not section or section in [heading.replace(" ", "-") for heading in headings]


def test_the_first_example_has_twelve_lines():
    assert len(BLOCK.search(README).group(1).strip().splitlines()) == 12
