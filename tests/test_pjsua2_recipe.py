"""The recipe of the pjsua2 wheel: what becomes of our patches when the source is another one."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

RECIPE = Path(__file__).parents[1] / "pjsua2" / "build.py"
PATCH = """Why.

--- a/call.c
+++ b/call.c
@@ -1,3 +1,3 @@
 before
-old
+new
 after
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(RECIPE.parent)  # where it finds its other modules when it is run
    spec = importlib.util.spec_from_file_location("pjsua2_recipe", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    patch = tmp_path / "mend.patch"
    patch.write_text(PATCH)
    monkeypatch.setattr(module, "PATCHES", {patch: ("call.c", r"theirs")})
    monkeypatch.setattr(importlib.import_module("steps"), "LOG", tmp_path / "log")
    return module


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree / "call.c"


def test_patch_is_applied_where_its_lines_have_moved(recipe: ModuleType, source: Path) -> None:
    source.write_text("first\nbefore\nold\nafter\n")
    recipe.apply_patches(source.parent)
    assert source.read_text() == "first\nbefore\nnew\nafter\n"


def test_patch_is_left_out_with_a_word_once_pjproject_has_it(
    recipe: ModuleType, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source.write_text("before\ntheirs\nafter\n")
    recipe.apply_patches(source.parent)
    assert source.read_text() == "before\ntheirs\nafter\n"
    assert "mend.patch is left out" in capsys.readouterr().out


def test_patch_that_fits_no_more_fails_the_build(recipe: ModuleType, source: Path) -> None:
    source.write_text("before\nquite another\nafter\n")
    with pytest.raises(recipe.BuildFailed, match="applying mend"):
        recipe.apply_patches(source.parent)


def test_every_patch_and_module_makes_a_wheel_of_its_own(recipe: ModuleType) -> None:
    assert {*RECIPE.parent.glob("*.patch"), *RECIPE.parent.glob("*.py")} <= set(recipe.SHAPING_FILES)
