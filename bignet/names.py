"""Names of files and classes -> text that is safe to look at, to store and to paste.

A file name may hold any byte but ``/`` and NUL: line breaks, terminal escapes, marks that turn the
reading direction, bytes that are no UTF-8. They are shown as what they are, never acted upon.
"""

from __future__ import annotations

import shlex
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # Persian and emoji need them
_SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_BYTE_ESCAPES = range(0xDC80, 0xDD00)  # how Python keeps a byte that is no UTF-8


def text_of(name: bytes | str) -> str:
    """Any name as str; bytes that are no UTF-8 become lone surrogates, as os.fsdecode does."""
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name


def visible(name: bytes | str) -> str:
    r"""A name with everything unprintable written out: ``\n``, ``\x1b``, ``\u202e``."""
    text = text_of(name)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible_character(character) for character in text)


def storable(name: bytes | str) -> str:
    r"""A name as valid UTF-8 with nothing else changed; a stray byte becomes ``\xff``."""
    return "".join(_escape(c) if 0xD800 <= ord(c) < 0xE000 else c for c in text_of(name))


def shorten(text: str, width: int) -> str:
    """Text of at most ``width`` characters, cut in the middle, where names differ least."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def pasteable(name: bytes) -> str:
    r"""A path to paste: as it is if printable, else as a shell reads it: ``$'a\nb.jpg'``."""
    text = text_of(name)
    if visible(name) == text:
        return text
    return "$'" + "".join(_shell_byte(byte) for byte in name) + "'"


def shell_word(name: str) -> str:
    """One word of a command line, quoted where needed."""
    text = visible(name)
    return shlex.quote(text) if text == name else pasteable(name.encode("utf-8", "surrogateescape"))


def _visible_character(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return _escape(character)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if code in _BYTE_ESCAPES:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _shell_byte(byte: int) -> str:
    if 0x20 <= byte < 0x7F and byte not in b"\\'":
        return chr(byte)
    return f"\\x{byte:02x}"
