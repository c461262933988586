"""Buttons and the Colab cell stand where the repository has an address, and nowhere else."""

import nbformat
import pytest
import yaml
from nbformat import v4

from book.tools import address
from book.tools.content import ROOT

PUBLIC = "https://github.com/someone/limits"
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CONFIG = (ROOT / "_config.yml").read_text()


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/someone/limits.git", PUBLIC),
        ("ssh://git@github.com/someone/limits", PUBLIC),
        ("git@gitlab.com:someone/limits.git", "https://gitlab.com/someone/limits"),
        ("https://github.com/someone/limits/", PUBLIC),
        ("https://token@github.com/someone/limits", None),
        ("https://example.org/someone/limits", None),
        ("https://github.com/someone", None),
        ("/srv/limits.git", None),
        ("", None),
    ],
)
def test_a_remote_on_a_public_host_is_an_address(remote, expected):
    assert address.public(remote) == expected


def test_without_an_address_nothing_leads_away():
    config = yaml.safe_load(address.configuration(CONFIG, None))
    assert "repository" not in config and "launch_buttons" not in config
    assert not [key for key in config["html"] if key.endswith("_button") or key == "baseurl"]
    assert "ogp_site_url" not in config["sphinx"]["config"]


def test_with_an_address_every_button_has_its_place():
    config = yaml.safe_load(address.configuration(CONFIG, PUBLIC))
    assert config["repository"]["url"] == PUBLIC
    assert config["html"]["use_issues_button"] and config["launch_buttons"]["binderhub_url"]
    assert config["sphinx"]["config"]["ogp_site_url"] == "https://someone.github.io/limits/"
    # and what the file itself sets is still there
    before = yaml.safe_load(CONFIG)
    assert config["sphinx"]["extra_extensions"] == before["sphinx"]["extra_extensions"]


def test_another_host_has_no_launch_buttons():
    config = yaml.safe_load(address.configuration(CONFIG, "https://gitlab.com/someone/limits"))
    assert config["repository"]["url"].startswith("https://gitlab.com/")
    assert "launch_buttons" not in config


def test_the_colab_cell_comes_goes_and_is_put_in_once():
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# A"), v4.new_code_cell("x = 1")])
    for _ in range(2):
        notebook = address.with_colab_cell(notebook, PUBLIC)
    kinds = [c.cell_type for c in notebook.cells]
    assert kinds == ["markdown", "code", "code"]
    assert f"git clone -q --depth 1 {PUBLIC} " in notebook.cells[1].source
    compile(notebook.cells[1].source, "cell", "exec")
    nbformat.validate(notebook)
    bare = address.with_colab_cell(notebook, None)
    assert [c.source for c in bare.cells] == ["# A", "x = 1"]


def test_a_setting_that_is_no_address_is_refused(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[tool.prunelimit]\naddress = "limits"\n')
    monkeypatch.setattr(address, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="address is 'limits' in pyproject.toml"):
        address.setting()


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_committed_chapters_agree_with_the_setting(path):
    notebook = nbformat.read(path, as_version=4)
    before = [c.source for c in notebook.cells]
    after = address.with_colab_cell(notebook, address.setting())
    assert [c.source for c in after.cells] == before
