"""The words residents read, as files that a language reviewer can edit; wording.py chooses parts."""

from importlib.resources import files

from notifier.wording import LANGUAGES, MessageKind, Parts, Templates, parse_parts

_FILES = {MessageKind.BUFFER_MONTH: "buffer-month", MessageKind.BUFFER_END: "buffer-end"}


def load_templates() -> Templates:
    """Read every template file of this package; a missing file or a malformed one is an error at start."""
    folder = files(__name__)

    def parts(kind: MessageKind, language: str) -> Parts:
        return parse_parts((folder / f"{_FILES[kind]}.{language}.txt").read_text(encoding="utf-8"))

    return {(kind, language): parts(kind, language) for kind in MessageKind for language in LANGUAGES}
