"""Make docs/pictures anew: letters and e-mails as residents see them, about invented people.

`python -m deploy.pictures [folder]`. A page beside them names the templates they were made from; a test holds
it against the code, so that the pictures never fall behind the words.
"""

import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

from notifier.languages import MessageLanguage, own_name
from notifier.letters import letter, picture
from notifier.previews import ADDRESS, CONTENTS, DAY, SENDER, Occasion, preview
from notifier.templates import load_layout, load_templates

FOLDER: Final = Path("docs/pictures")
SHOWN: Final[tuple[MessageLanguage, ...]] = ("nl", "en", "ar")
_LAYOUTS: Final = {"letter": "letter.typ", "mail": "mail.typ"}


def pictures() -> dict[str, bytes]:
    """The first page of the letter and the whole e-mail in each language, by file name."""
    templates = load_templates()
    made = {}
    for language in SHOWN:
        wording = preview(Occasion.ORDINARY_MONTH, language, templates)
        data = letter(wording, ADDRESS, SENDER, DAY, language)
        for name, layout in _LAYOUTS.items():
            made[f"{name}-{language}.png"] = picture(layout, data)[0]
    return made


def page() -> str:
    """README.md beside the pictures: what they show and from which versions."""
    templates = load_templates()
    kind = CONTENTS[Occasion.ORDINARY_MONTH].kind
    versions = [f"{language}-{templates[kind, language].version}" for language in SHOWN]
    versions += [f"{layout} {sha256(load_layout(layout)).hexdigest()[:12]}" for layout in _LAYOUTS.values()]
    shown = "\n".join(
        f"| {own_name(language)} | ![letter](letter-{language}.png) | ![e-mail](mail-{language}.png) |"
        for language in SHOWN
    )
    return (
        "# What a resident gets\n\n"
        "The first page of the letter and the whole e-mail after an ordinary month. Person, fund and\n"
        "amounts are invented. Arabic waits for a speaker and is not sent yet. `make pictures` makes this\n"
        "page anew.\n\n"
        f"| language | letter | e-mail |\n|---|---|---|\n{shown}\n\n"
        f"Made from {', '.join(versions)}.\n"
    )


def main() -> None:
    """Write the pictures and their page."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pictures().items():
        (folder / name).write_bytes(content)
    (folder / "README.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
