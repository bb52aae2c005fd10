"""The pictures in the docs show the words as they are now."""

from pathlib import Path

import pytest

from deploy.pictures import SHOWN, page, pictures

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"


def test_the_page_of_pictures_names_the_templates_of_now() -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == page(), "run `make pictures`"


@pytest.mark.parametrize(
    "name", [f"{what}-{language}.png" for what in ("letter", "mail") for language in SHOWN]
)
def test_every_picture_is_there_and_as_large_as_one_made_now(name: str) -> None:
    kept, made = (FOLDER / name).read_bytes(), pictures()[name]
    # Width and height stand in the header; the last bits of a colour may differ between processors.
    assert kept[:24] == made[:24]
    assert abs(len(kept) - len(made)) < len(made) // 10
