"""Letters as PDF for everybody: tagged (PDF/UA-1), fit to be kept (PDF/A-2a), in large type, the same bytes
each time; and the channel that writes them to print.

The layout is a template of this package; what it says comes in as data. Fonts come from a package, never from
the machine, so that a letter looks the same wherever it is made.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pymupdf_fonts
import typst

from notifier.channels import Outcome, Parcel, Report, Result
from notifier.languages import MessageLanguage, is_right_to_left, written_day
from notifier.templates import LAYOUTS, load_layout
from notifier.wording import Sender, Wording

SUFFIX: Final = ".pdf"
STANDARDS: Final = ["a-2a", "ua-1"]
INSTEAD: Final = "?"
"""Stands for a character that the font lacks: a letter with a gap is read, one that is not made is not."""
_FACES: Final = ("figo", "figbo")
"""FiraGO regular and bold: Latin with Turkish, Cyrillic with Ukrainian, Arabic, in one family (SIL OFL)."""


def letter(
    wording: Wording, address: Sequence[str], sender: Sender, day: date, language: MessageLanguage
) -> str:
    """What a letter says, as data for its layout: who sends it, to whom, when, and the text by language."""
    return json.dumps(
        {
            "title": wording.subject,
            "lang": language,
            "rightToLeft": is_right_to_left(language),
            "sender": sender.signature(language),
            "address": list(address),
            "day": written_day(day, language),
            "sections": [
                {
                    "lang": section.language,
                    "rightToLeft": is_right_to_left(section.language),
                    "subject": section.subject,
                    "paragraphs": [
                        [{"role": line.role.value, "text": line.text} for line in paragraph]
                        for paragraph in section.paragraphs
                    ],
                }
                for section in wording.sections
            ],
        },
        ensure_ascii=False,
    )


def letter_pdf(page: str, composed_at: datetime) -> bytes:
    """The letter as PDF/A-2a and PDF/UA-1; the same page and instant give the same bytes."""
    stamp = int(composed_at.timestamp())
    try:
        made = _compiled("letter.typ", page, format="pdf", pdf_standards=STANDARDS, timestamp=stamp)
    except typst.TypstError:
        drawable = "".join(c if c.isascii() or not undrawable(c) else INSTEAD for c in page)
        made = _compiled("letter.typ", drawable, format="pdf", pdf_standards=STANDARDS, timestamp=stamp)
    return made[0]


def picture(layout: str, page: str) -> list[bytes]:
    """A letter or e-mail (`letter.typ`, `mail.typ`) as PNG, one for each page."""
    return _compiled(layout, page, format="png", ppi=96)


def undrawable(text: str) -> tuple[str, ...]:
    """The characters of a text that no letter can show, each once."""
    return tuple(dict.fromkeys(c for c in text if not c.isascii() and not _is_drawable(c)))


@cache
def _is_drawable(character: str) -> bool:
    source = b'#set document(title: "x")\n#set text(font: "FiraGO", fallback: false)\n#sys.inputs.letter'
    try:
        _compile(source, character, format="pdf", pdf_standards=STANDARDS, timestamp=0)
    except (typst.TypstError, UnicodeEncodeError):
        return False
    return True


def _compiled(layout: str, page: str, **options: Any) -> list[bytes]:
    return _compile(load_layout(layout), page, **options)


def _compile(source: bytes, page: str, **options: Any) -> list[bytes]:
    return _compile_with(_fonts(), source, page, **options)


def _compile_with(fonts: typst.Fonts, source: bytes, page: str, **options: Any) -> list[bytes]:
    # A layout could read files below its root and nowhere else: there the words of templates lie, no data.
    compiler = typst.Compiler(root=LAYOUTS, font_paths=fonts, ignore_system_fonts=True)
    made = compiler.compile(source, sys_inputs={"letter": page}, **options)
    return [made] if isinstance(made, bytes) else list(made or ())


@cache
def _fonts() -> typst.Fonts:
    """The fonts of letters, read from the package once; the compiler takes fonts as files alone."""
    folder = Path(tempfile.mkdtemp(prefix="letter-fonts-"))
    try:
        for face in _FACES:
            (folder / f"{face}.otf").write_bytes(pymupdf_fonts.fontbuffers[face]())
        fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)]
        )
        # A file is read when its first letter is drawn: draw one of each before the files go.
        _compile_with(fonts, b'#set text(font: "FiraGO")\nA *B* #sys.inputs.letter', "C", format="pdf")
    finally:
        shutil.rmtree(folder)
    return fonts


class LetterChannel:
    """A letter is a PDF named after its message alone, whole or absent, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def deliver(self, parcels: Sequence[Parcel], report: Report) -> None:
        """Make and write each letter; a full or missing disk is reported as LATER."""
        for parcel in parcels:
            try:
                await asyncio.to_thread(self._write, parcel)
            except (OSError, typst.TypstError) as error:
                reason = f"the letter could not be written ({type(error).__name__})"
                await report(parcel, Outcome(Result.LATER, None, reason))
            else:
                await report(parcel, Outcome(Result.ACCEPTED, None, "letter file written"))

    def _write(self, parcel: Parcel) -> None:
        write_letter(self._folder, parcel.message_id, letter_pdf(parcel.page, parcel.composed_at))


def write_letter(folder: Path, message_id: str, content: bytes) -> Path:
    """Write `<messageId>.pdf` so that it survives a power cut; an earlier copy of it is replaced."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / f"{message_id}{SUFFIX}"
    beside = folder / f".{message_id}.part"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(target)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return target


def files_of_letters(folder: Path) -> Iterable[Path]:
    """What lies in the folder of letters: letters, those of before they were PDF, and unfinished ones."""
    if not folder.is_dir():
        return ()
    return (path for path in folder.iterdir() if path.suffix in {SUFFIX, ".txt", ".part"})
