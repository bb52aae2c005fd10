"""The words residents read, as files that a language reviewer can edit; wording.py chooses parts.

`letter.typ` and `mail.typ` lay them out; the texts come in as data, so that nothing in a name is markup.
"""

from importlib.resources import files
from typing import Final

from notifier.languages import LANGUAGES, MessageLanguage
from notifier.template_files import TemplateFile, parse_template
from notifier.wording import MessageKind, Templates

LAYOUTS: Final = str(files(__name__))
"""The folder of this package: all that a layout can reach."""

_FILES: Final = {MessageKind.BUFFER_MONTH: "buffer-month", MessageKind.BUFFER_END: "buffer-end"}


def load_templates() -> Templates:
    """Read every template file of this package; a missing file or a malformed one is an error at start."""
    folder = files(__name__)

    def template(kind: MessageKind, language: MessageLanguage) -> TemplateFile:
        return parse_template((folder / f"{_FILES[kind]}.{language}.txt").read_text(encoding="utf-8"))

    return {(kind, language): template(kind, language) for kind in MessageKind for language in LANGUAGES}


def load_layout(name: str) -> bytes:
    """The source of a layout, such as `letter.typ`."""
    return (files(__name__) / name).read_bytes()
