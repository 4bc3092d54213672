"""DNS messages, with dnspython as the other side."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.cluster.dns.message import (
    UDP_SIZE,
    FormatError,
    address,
    alias,
    make_answer,
    parse_question,
    server,
)


def asked(name: str, kind: str = "A") -> bytes:
    """Return a question as a resolver sends it."""
    return bytes(dns.message.make_query(name, kind).to_wire())


def test_a_question_is_read() -> None:
    """Name in lower case, since names know no case; the bytes as they came."""
    question = parse_question(asked("Web.Default.svc.cluster.local."))
    assert (question.name, question.kind) == ("web.default.svc.cluster.local", 1)
    assert b"Web" in question.raw


def test_answers_are_what_a_resolver_reads() -> None:
    """Addresses, aliases and servers arrive as dnspython understands them."""
    query = dns.message.make_query("web.default.svc.cluster.local", "ANY")
    records = [address("10.96.0.11"), alias("db.example."), server(80, "web.default")]
    answer = dns.message.from_wire(make_answer(parse_question(query.to_wire()), records, 30))
    assert query.is_response(answer)
    assert answer.flags & dns.flags.AA
    assert {str(item) for rrset in answer.answer for item in rrset} == {
        "10.96.0.11",
        "db.example.",
        "0 100 80 web.default.",
    }
    assert {rrset.ttl for rrset in answer.answer} == {30}


def test_a_name_without_a_record_of_that_kind_exists() -> None:
    """No AAAA is no error: with NXDOMAIN resolvers would not ask for the A record any more."""
    question = parse_question(asked("web.default.svc.cluster.local", "AAAA"))
    answer = dns.message.from_wire(make_answer(question, [address("10.96.0.11")], 30))
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
    missing = dns.message.from_wire(make_answer(question, None, 30))
    assert missing.rcode() == dns.rcode.NXDOMAIN


def test_long_answers_are_cut_by_udp_only() -> None:
    """What is over 512 bytes says so, and the resolver comes back by TCP."""
    records = [address(f"10.244.0.{number}") for number in range(100)]
    question = parse_question(asked("web.default.svc.cluster.local"))
    short = make_answer(question, records, 30, UDP_SIZE)
    assert len(short) <= UDP_SIZE
    assert dns.message.from_wire(short).flags & dns.flags.TC
    (rrset,) = dns.message.from_wire(make_answer(question, records, 30)).answer
    assert len(rrset) == 100


def test_what_is_no_question_gets_its_error() -> None:
    """An answer is never answered; other operations and broken names are refused."""
    query = dns.message.make_query("web.", "A")
    answer = dns.message.make_response(query).to_wire()
    for packet in (b"", b"short", answer):
        with pytest.raises(FormatError) as caught:
            parse_question(packet)
        assert caught.value.answer == b""
    query.set_opcode(dns.opcode.STATUS)
    with pytest.raises(FormatError) as caught:
        parse_question(query.to_wire())
    assert dns.message.from_wire(caught.value.answer).rcode() == dns.rcode.NOTIMP
    with pytest.raises(FormatError) as caught:
        parse_question(asked("web.")[:-6])  # cut inside the name
    assert dns.message.from_wire(caught.value.answer).rcode() == dns.rcode.FORMERR


@given(st.binary(max_size=600))
def test_any_packet_is_a_question_or_an_error(packet: bytes) -> None:
    """Whatever a pod sends, the server goes on."""
    try:
        question = parse_question(packet)
    except FormatError:
        return
    make_answer(question, None, 30, UDP_SIZE)
