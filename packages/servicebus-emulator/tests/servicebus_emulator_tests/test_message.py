"""A message stays as its sender sent it, byte by byte."""

from servicebus_emulator import codec, message
from servicebus_emulator.message import Content


def _section(code: int, value: bytes) -> bytes:
    return codec.described(code, value)


def _map(**pairs: bytes) -> bytes:
    return codec.map_of([(codec.symbol(name.replace("_", "-")), value) for name, value in pairs.items()])


PROPERTIES = _section(message.PROPERTIES, codec.list_of([codec.string("id-1"), codec.NULL, codec.string("to")]))
BODY = _section(message.DATA, codec.binary(b"\x00\xff")) + _section(message.DATA, codec.binary(b"second"))
FOOTER = _section(message.FOOTER, _map(crc=codec.int32(1)))
APPLICATION_PROPERTIES = _section(
    message.APPLICATION_PROPERTIES,
    codec.map_of([(codec.string("n"), b"\x54\x05"), (codec.string("d"), b"\x82" + bytes(8))]),
)


def test_all_sections_stay_as_they_were_sent() -> None:
    """Types the broker knows nothing of survive, and parsing what was stored gives the same content."""
    sent = PROPERTIES + APPLICATION_PROPERTIES + BODY + FOOTER
    content = message.parse(sent)
    assert content.properties + APPLICATION_PROPERTIES + content.body == sent
    assert content.encoded().endswith(sent)
    assert message.parse(content.encoded()) == content


def test_delivery_annotations_are_understood_at_the_end() -> None:
    """azure-servicebus writes them last; they reach the receiver."""
    annotations = _section(message.DELIVERY_ANNOTATIONS, _map(mine=codec.int32(1)))
    content = message.parse(PROPERTIES + BODY + annotations)
    assert content.delivery_annotations == ((codec.symbol("mine"), codec.int32(1)),)
    assert annotations in content.encoded()


def test_annotations_of_an_earlier_broker_are_dropped() -> None:
    """A received message may be sent again: only the sender's own annotations stay."""
    old = _map(x_opt_sequence_number=codec.int64(7), x_opt_locked_until=codec.timestamp(9), mine=codec.int32(1))
    token = _map(x_opt_lock_token=codec.binary(b"t"))
    sent = _section(message.MESSAGE_ANNOTATIONS, old) + PROPERTIES + BODY
    content = message.parse(sent + _section(message.DELIVERY_ANNOTATIONS, token))
    assert content.annotations == ((codec.symbol("mine"), codec.int32(1)),)
    assert content.delivery_annotations == ()


def test_time_to_live_priority_and_schedule_are_read() -> None:
    """These are the three values on which a broker acts."""
    header = codec.list_of([codec.boolean(True), codec.ubyte(7), codec.uint(5000)])
    annotations = _map(x_opt_scheduled_enqueue_time=codec.timestamp(123456))
    content = message.parse(
        _section(message.HEADER, header) + _section(message.MESSAGE_ANNOTATIONS, annotations) + PROPERTIES + BODY
    )
    assert (content.durable, content.priority, content.ttl_ms) == (True, 7, 5000)
    assert content.scheduled_ms == 123456


def test_a_message_without_an_id_gets_one() -> None:
    """This holds without properties, and with a null in their first place."""
    bare = message.parse(BODY, lambda: "new")
    nameless = _section(message.PROPERTIES, codec.list_of([codec.NULL, codec.NULL, codec.string("to")]))
    other = message.parse(nameless + BODY, lambda: "new")
    assert bare.message_id == other.message_id == codec.string("new")
    assert codec.raw_items(other.properties, 3)[2] == codec.string("to")


def test_a_batch_gives_its_messages_and_ignores_its_envelope() -> None:
    """The envelope repeats fields of its first message; only the data sections count."""
    inner = [PROPERTIES + _section(message.DATA, codec.binary(bytes([n]))) for n in range(3)]
    envelope = PROPERTIES + b"".join(_section(message.DATA, codec.binary(each)) for each in inner)
    contents = message.parse_batch(envelope)
    assert [content.properties + content.body for content in contents] == inner


def test_application_properties_are_replaced_not_doubled() -> None:
    """A message that is dead-lettered twice in its life carries the last reason only."""
    content = Content(message_id=b"", properties=b"", body=BODY)
    once = content.with_application_properties(message.texts({"r": "1", "absent": None}))
    twice = once.with_application_properties(((codec.symbol("r"), codec.string("2")),))
    assert twice.application_properties == ((codec.string("r"), codec.string("2")),)
