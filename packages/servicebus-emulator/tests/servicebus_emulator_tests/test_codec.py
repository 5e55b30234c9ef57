"""AMQP types and frames: what is encoded is decoded to the same, and what is malformed is refused."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicebus_emulator import codec, frames
from servicebus_emulator.codec import Described
from servicebus_emulator.frames import Attach, Disposition, Flow, Open, Performative, Transfer

INT_TYPES = [
    (codec.ubyte, 0, 2**8 - 1),
    (codec.ushort, 0, 2**16 - 1),
    (codec.uint, 0, 2**32 - 1),
    (codec.ulong, 0, 2**64 - 1),
    (codec.int32, -(2**31), 2**31 - 1),
    (codec.int64, -(2**63), 2**63 - 1),
    (codec.timestamp, -(2**63), 2**63 - 1),
]

# Pairs of an encoded value and the Python value that it should decode to.
scalars = st.one_of(
    st.just((codec.NULL, None)),
    st.booleans().map(lambda value: (codec.boolean(value), value)),
    st.integers(0, 2**32 - 1).map(lambda value: (codec.uint(value), value)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: (codec.int64(value), value)),
    st.uuids().map(lambda value: (codec.uuid(value), value)),
    st.binary(max_size=300).map(lambda value: (codec.binary(value), value)),
    st.text(max_size=300).map(lambda value: (codec.string(value), value)),
    st.text(st.characters(max_codepoint=127), max_size=300).map(lambda value: (codec.symbol(value), value)),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(
            lambda items: (codec.list_of([data for data, _ in items]), [value for _, value in items])
        ),
        inner.map(lambda item: (codec.described(0x24, item[0]), Described(0x24, item[1]))),
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(("encode", "lowest", "highest"), INT_TYPES)
def test_integers_are_read_as_written_at_every_edge(encode: Callable[[int], bytes], lowest: int, highest: int) -> None:
    """Each integer type holds its whole range, through all its short forms."""
    edges = {lowest, lowest + 1, 0, 1, 127, 128, 255, 256, 65535, 65536, highest - 1, highest}
    for value in (edge for edge in edges if lowest <= edge <= highest):
        assert codec.decode(encode(value)) == (value, len(encode(value)))


@given(values)
def test_any_value_is_read_as_written_and_its_end_is_found(item: tuple[bytes, Any]) -> None:
    """Decoding inverts encoding, and `end_of` agrees with it without decoding."""
    data, value = item
    assert codec.decode(data + b"more") == (value, len(data))
    assert codec.end_of(data + b"more", 0) == len(data)


@given(st.dictionaries(st.text(max_size=20), st.integers(-(2**31), 2**31 - 1), max_size=300))
def test_maps_are_read_as_written(pairs: dict[str, int]) -> None:
    """Small and large maps keep their pairs."""
    data = codec.map_of([(codec.string(key), codec.int32(value)) for key, value in pairs.items()])
    assert codec.decode(data) == (pairs, len(data))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=300))
def test_arrays_are_read_as_written(numbers: list[int]) -> None:
    """Arrays of longs keep their items."""
    data = codec.array_of([codec.int64(number) for number in numbers])
    assert codec.decode(data) == (numbers, len(data))


def test_arrays_of_uuids_and_compact_arrays_are_understood() -> None:
    """Lock tokens come as an array of uuids; other clients use the form with one-byte sizes."""
    tokens = [UUID(int=1), UUID(int=2**127)]
    assert codec.decode(codec.array_of([codec.uuid(token) for token in tokens]))[0] == tokens
    assert codec.decode(b"\xe0\x04\x02\x54\x01\xff")[0] == [1, -1]


def test_an_array_of_mixed_constructors_is_refused() -> None:
    """An array has one constructor: mixing would write garbage."""
    with pytest.raises(ValueError, match="one constructor"):
        codec.array_of([codec.int64(1), codec.int32(1)])


def test_raw_items_are_the_untouched_bytes() -> None:
    """Splitting a list or map and joining it again changes nothing."""
    items = [codec.string("a"), codec.list_of([codec.NULL]), codec.uint(7)]
    assert codec.raw_items(codec.list_of(items)) == items
    assert codec.raw_items(codec.map_of([(items[0], items[1])])) == items[:2]


@pytest.mark.parametrize("data", [b"\xa1\x05ab", b"\x70\x00", b"\xb1\xff\xff\xff\xffab", b"\x0f", b"\x99"])
def test_malformed_values_are_refused(data: bytes) -> None:
    """Truncated values and unknown constructors raise ValueError."""
    with pytest.raises(ValueError, match=r"reaches beyond|unknown constructor"):
        codec.end_of(data, 0)


@given(st.binary(max_size=60))
def test_random_bytes_never_do_worse_than_raise(data: bytes) -> None:
    """Any bytes raise only errors that the connection handles."""
    with suppress(*codec.MALFORMED):
        frames.parse(b"\x00\x00\x00\x00\x02\x00\x00\x00" + data)
    with suppress(*codec.MALFORMED):
        codec.decode(data)


@pytest.mark.parametrize(
    "performative",
    [
        Open("c", "h", 65536, 4095, 240000),
        Attach("link", 3, True, 0, 1, codec.described(0x28, codec.list_of([codec.string("q")]))),
        Flow(None, 5, 6, 7, 1, 2, 3, None, True, False),
        Transfer(1, 2, b"\x00\x01", 0x80013700, False, True),
        Disposition(True, 9, None, True, frames.ACCEPTED),
    ],
)
def test_performatives_are_read_as_written_with_their_payload(performative: Performative) -> None:
    """Every field survives a frame, absent ones as None."""
    frame = frames.frame(4, performative, b"payload")
    assert frames.parse(frame) == (4, performative, b"payload")


def test_every_field_is_sent_even_trailing_nulls() -> None:
    """SDKs before 7.15 index all 14 fields of an attach."""
    encoded = frames.encode(Attach("link", 0, role=False))
    assert len(codec.raw_items(encoded, 3)) == 14


def test_units_are_taken_from_a_stream_byte_by_byte() -> None:
    """A header and a frame are found wherever the network cuts the stream."""
    frame = frames.frame(0, Open("client"))
    buffer, found = bytearray(), []
    for byte in frames.AMQP_HEADER + frame + frames.KEEP_ALIVE:
        buffer.append(byte)
        if unit := frames.take_unit(buffer):
            found.append(unit)
    assert found == [frames.AMQP_HEADER, frame, frames.KEEP_ALIVE]
    assert not buffer


@pytest.mark.parametrize("head", [b"\x00\x00\x00\x07\x02\x00\x00\x00", b"\x7f\xff\xff\xff\x02\x00\x00\x00"])
def test_impossible_frame_sizes_are_refused(head: bytes) -> None:
    """The connection does not wait for a frame of an impossible size."""
    with pytest.raises(ValueError, match="not allowed"):
        frames.take_unit(bytearray(head))


def test_an_error_has_all_three_fields() -> None:
    """azure-servicebus 7.15 still reads the third field of an error."""
    described, _end = codec.decode(frames.error("amqp:not-found", "no"))
    assert described == Described(0x1D, ["amqp:not-found", "no", {}])
