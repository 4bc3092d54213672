"""DNS messages (RFC 1035): a stub resolver's question in, an answer out. Pure.

One question a message, records of the four kinds that Services need, no EDNS: what is longer than
512 bytes says "truncated", and the resolver asks again by TCP. Our own because it is so little:
dnspython takes 0.3 s to import, a third of a cluster's start. It is the tests' parser instead.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

UDP_SIZE: Final = 512
"""Longest answer by UDP, in bytes (RFC 1035, 2.3.4)."""

_HEADER: Final = struct.Struct("!HHHHHH")
_KIND: Final = struct.Struct("!HH")
_IS_ANSWER, _AUTHORITATIVE, _TRUNCATED = 0x8000, 0x0400, 0x0200
_RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x0100, 0x0080
_OPCODE: Final = 0x7800
_ASKED_NAME: Final = 0xC00C  # a pointer to the name in the question
_LONGEST_LABEL: Final = 63
_LONGEST_NAME: Final = 255
_INTERNET: Final = 1


class RecordType(IntEnum):
    """Types of records that we have."""

    A = 1
    CNAME = 5
    SRV = 33
    ANY = 255


class Code(IntEnum):
    """Response codes that we give."""

    NO_ERROR = 0
    FORMAT_ERROR = 1
    NO_SUCH_NAME = 3
    NOT_IMPLEMENTED = 4


@dataclass(frozen=True, slots=True)
class Question:
    """What a resolver asks; `name` in lower case without the last dot, `raw` as it was sent."""

    id: int
    flags: int
    name: str
    kind: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """One answer to the name that was asked for; `value` as it goes over the wire."""

    kind: RecordType
    value: bytes


class FormatError(ValueError):
    """The packet is no question; `answer` is what to say, b"" to say nothing."""

    def __init__(self, answer: bytes = b"") -> None:
        super().__init__("not a DNS question")
        self.answer = answer


def address(ip: str) -> Record:
    """Return an A record."""
    return Record(RecordType.A, socket.inet_aton(ip))


def alias(name: str) -> Record:
    """Return a CNAME record."""
    return Record(RecordType.CNAME, encode_name(name))


def server(port: int, host: str) -> Record:
    """Return an SRV record with priority 0 and weight 100, as CoreDNS gives them."""
    return Record(RecordType.SRV, struct.pack("!HHH", 0, 100, port) + encode_name(host))


def encode_name(name: str) -> bytes:
    """Return a name as lengths and labels."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def parse_question(packet: bytes) -> Question:
    """Return the question of a packet; FormatError when it holds none that we take."""
    if len(packet) < _HEADER.size:
        raise FormatError
    number, flags, questions, *_ = _HEADER.unpack_from(packet)
    if flags & _IS_ANSWER:
        raise FormatError  # never answer an answer
    if flags & _OPCODE or questions > 1:
        raise FormatError(_header(number, flags, Code.NOT_IMPLEMENTED))
    try:
        name, end = _read_name(packet, _HEADER.size)
        kind, class_ = _KIND.unpack_from(packet, end)
    except (ValueError, IndexError, struct.error):
        raise FormatError(_header(number, flags, Code.FORMAT_ERROR)) from None
    if class_ != _INTERNET:
        raise FormatError(_header(number, flags, Code.NOT_IMPLEMENTED))
    raw = packet[_HEADER.size : end + _KIND.size]
    return Question(number, flags, name.lower(), kind, raw)


def make_answer(
    question: Question, records: list[Record] | None, ttl: int, size: int = 0xFFFF
) -> bytes:
    """Return the answer in at most `size` bytes; `records` None means that there is no such name.

    Records of another kind than asked for are left out, except aliases. `ttl` in seconds.
    """
    code = Code.NO_SUCH_NAME if records is None else Code.NO_ERROR
    wanted = (
        (question.kind, RecordType.CNAME) if question.kind != RecordType.ANY else tuple(RecordType)
    )
    answers = [_encode(each, ttl) for each in records or () if each.kind in wanted]
    whole = _header(question.id, question.flags, code, 1, len(answers)) + question.raw
    answer = whole + b"".join(answers)
    if len(answer) <= size:
        return answer
    return _header(question.id, question.flags | _TRUNCATED, code, 1) + question.raw


def _read_name(packet: bytes, at: int) -> tuple[str, int]:
    """Return the name at an offset, and the offset behind it; ValueError for a compressed one."""
    start, labels = at, []
    while length := packet[at]:
        if length > _LONGEST_LABEL or at + 1 + length > len(packet):
            raise ValueError
        labels.append(packet[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
        if at - start > _LONGEST_NAME:
            raise ValueError
    return ".".join(labels), at + 1


def _header(number: int, asked: int, code: Code, questions: int = 0, answers: int = 0) -> bytes:
    kept = asked & (_OPCODE | _RECURSION_DESIRED | _TRUNCATED)
    flags = _IS_ANSWER | _AUTHORITATIVE | _RECURSION_AVAILABLE | kept | code
    return _HEADER.pack(number, flags, questions, answers, 0, 0)


def _encode(record: Record, ttl: int) -> bytes:
    head = struct.pack("!HHHIH", _ASKED_NAME, record.kind, _INTERNET, ttl, len(record.value))
    return head + record.value
