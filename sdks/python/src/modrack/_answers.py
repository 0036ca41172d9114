"""The bytes of a provider's answers, by hand: results, items, ends. All other frames are protobuf's business, and so is reading.

Measured on calls of 100 bytes: building the generated objects costs twice as much as the bytes themselves, while reading by hand
saves nothing against protobuf's C. A test compares these bytes with what the generated classes write.
"""

from __future__ import annotations

END = b"\x52\0"
"""A whole `end` without metrics."""

_KEPT = 4096
"""Sizes whose headers are kept; all are once small objects."""

RESULT_HEADS: dict[int, bytes] = {}
FRAME_HEADS: dict[int, bytes] = {}
"""What `result_head` and `frame_head` have given so far; to look there first saves a call."""

_items: dict[int, bytes] = {}


def varint(number: int) -> bytes:
    """The protobuf form of a number that is not negative."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def call_field(call_id: int) -> bytes:
    """The field `call_id` of a frame; empty for 0, which is no call."""
    if call_id < 0x4000:
        if call_id >= 0x80:
            return bytes((0x08, call_id & 0x7F | 0x80, call_id >> 7))
        return bytes((0x08, call_id)) if call_id else b""
    if call_id < 0x200000:
        return bytes((0x08, call_id & 0x7F | 0x80, call_id >> 7 & 0x7F | 0x80, call_id >> 14))
    return b"\x08" + varint(call_id)


def result_head(size: int) -> bytes:
    """What stands in a `result` frame between the `call_id` and an output of `size` bytes."""
    head = RESULT_HEADS.get(size)
    if head is None:
        head = _nested(0x1A, size)
        if size < _KEPT:
            RESULT_HEADS[size] = head
    return head


def item_head(size: int) -> bytes:
    """What stands in an `item` frame between the `call_id` and an item of `size` bytes."""
    head = _items.get(size)
    if head is None:
        head = _nested(0x22, size)
        if size < _KEPT:
            _items[size] = head
    return head


def frame_head(size: int) -> bytes:
    """What stands in a message before a frame of `size` bytes."""
    head = FRAME_HEADS.get(size)
    if head is None:
        head = b"\x0a" + varint(size)
        if size < _KEPT:
            FRAME_HEADS[size] = head
    return head


def _nested(tag: int, size: int) -> bytes:
    """A message whose only field is the first one, with `size` bytes, as a field with this tag."""
    inner = b"\x0a" + varint(size)
    return bytes((tag,)) + varint(len(inner) + size) + inner
