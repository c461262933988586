"""Names that become paths lead nowhere else."""

from __future__ import annotations

import pytest

from prunelimit.errors import PruneLimitError
from prunelimit.lab.store.paths import path_part


@pytest.mark.parametrize("name", ["digits-mlp", "vgg16 tuned", "a.b", "ε" * 100])
def test_a_plain_name_stays_as_it_is(name) -> None:
    assert path_part("task", name) == name


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("..", "dot"),
        (".hidden", "dot"),
        ("a/b", "'/'"),
        ("a\\b", "have"),
        ("a\nb", "have"),
        ("ε" * 101, "200 bytes"),
        (3, "a name"),
    ],
)
def test_other_names_are_refused(name, wrong) -> None:
    with pytest.raises(PruneLimitError, match=wrong) as refused:
        path_part("task", name)
    assert str(refused.value).startswith("task")
