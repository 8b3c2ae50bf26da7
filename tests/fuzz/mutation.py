"""Inputs that are nearly valid: examples with a few changes, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

_NUMBERS: Final = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\x00" * 8,
    b"\xff" * 9 + b"\x01",
    b"\x7f" + b"\xff" * 7,
)
# Values and pieces of TOML that readers are asked about least often.
WORDS: Final = (
    *(b"nan", b"inf", b"-inf", b"1e999", b"-0.0", b"1" + b"0" * 400, b"9" * 5000, b"0x7fffffffffffffffffff", b"-1", b"0"),
    *(
        b"true",
        b'""',
        b'"\\u0000"',
        b'"\\ud800"',
        b'"' + b"a" * 5000 + b'"',
        b"'..'",
        b"'/'",
        b"[]",
        b"{}",
        b"[[]]",
        b"[1, 'a', {}]",
    ),
    *(b"{ a = 1 }", b"1979-05-27T07:32:00Z", b"07:32:00", b"1979-05-27", b"[" * 5000, b"{a=" * 2000, b"a." * 3000 + b"a = 1\n"),
    *(
        b"[x]\n",
        b"[[x]]\n",
        b"\n",
        b"#",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x00",
        b"a = 1\n",
        b"a.b = 1\n",
        b"= 1\n",
        b"'",
        b'"""',
    ),
)


def mutations(seeds: Sequence[bytes], count: int, is_text: bool, seed: int) -> Iterator[bytes]:
    """`count` changed examples."""
    source = random.Random(seed)
    for _ in range(count):
        data = source.choice(seeds)
        for _ in range(source.choice((1, 1, 1, 2, 3, 6))):
            change = source.choice((_in_words, _in_words, _in_bytes) if is_text else (_in_bytes,))
            data = change(source, data, seeds)
        yield data


def _in_bytes(source: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    at = source.randrange(len(data) + 1)
    end = min(len(data), at + source.choice((1, 1, 2, 4, 8, 30)))
    match source.randrange(8):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[end:]
        case 2:
            return data[:end] + data[at:]
        case 3:
            other = source.choice(seeds)
            return data[:at] + other[source.randrange(len(other)) :]
        case 4:
            return data[:at] + source.randbytes(source.randrange(1, 9)) + data[at:]
        case 5:
            number = source.choice(_NUMBERS)
            return data[:at] + number + data[at + len(number) :]
        case _:
            return data[:at] + bytes(b ^ (1 << source.randrange(8)) for b in data[at : at + 1]) + data[at + 1 :]


def _in_words(source: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """One line gets another value, comes twice, goes, moves to another place, or is followed by a strange one."""
    lines = data.splitlines(keepends=True) or [b"\n"]
    i = source.randrange(len(lines))
    match source.randrange(6):
        case 0:
            lines.insert(i, lines[source.randrange(len(lines))])
        case 1:
            del lines[i]
        case 2:
            lines.insert(i, source.choice(WORDS))
        case 3:
            lines.insert(i, source.choice(source.choice(seeds).splitlines(keepends=True)))
        case _:
            key, equals, _ = lines[i].partition(b"=")
            lines[i] = (key + b"= " if equals else b"x = ") + source.choice(WORDS) + b"\n"
    return b"".join(lines)
