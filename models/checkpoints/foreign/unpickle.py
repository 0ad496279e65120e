"""A pickle machine that can make nothing but plain data.

A machine of our own, and not `pickle.Unpickler` with another `find_class`: Python's hashes any key, which a tuple of a
million tuples turns into a crash of the interpreter, allots a memo of gigabytes for one opcode, and copies every array.
The opcodes are described in Lib/pickletools.py.
"""

import re
import struct
from collections.abc import Callable, Mapping
from sys import getsizeof
from typing import Any

from wplus.models.checkpoints.foreign.allowed import Allowed, build, checked, find, refusal
from wplus.models.checkpoints.foreign.stream import Allowance, RejectedError, Stream

LAZY = 1 << 12
"""More bytes than this stay in the file until it is known what becomes of them."""

MOST_DIGITS = 600


class Machine:
    """Runs one pickle.

    Args:
        stream: from here its opcodes come, and after `load` what follows it.
        persistent: what its persistent ids stand for; without it there may be none.
        nested: reads a torch file within it; without it there may be none.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        persistent: Callable[[object], object] | None = None,
        nested: Callable[[Stream], object] | None = None,
    ) -> None:
        self.stream, self._persistent, self._nested = stream, persistent, nested
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        """The stacks under the marks."""
        self.memo: dict[int, object] = {}

    @property
    def allowance(self) -> Allowance:
        """What reading may still cost."""
        return self.stream.allowance

    def load(self) -> object:
        """Run to the stop; what the pickle holds: data, and the objects of `allowed`.

        Raises:
            RejectedError: it asks for a name that is not on the list, is damaged or cut off, or costs more than it may.
            Exception: other damage; anything can be raised.
        """
        take, step = self.stream.take, self.allowance.step
        while (opcode := take(1)) != b".":
            step()
            action = OPCODES.get(opcode)
            if action is None:
                raise RejectedError(f"damaged: no pickle has the opcode {opcode!r}")
            action(self)
        return self.stack.pop()

    def nested(self, stream: Stream) -> object:
        """Read the torch file within the pickle."""
        if self._nested is None:
            raise RejectedError("refused: a torch file within a torch file within a pickle")
        return self._nested(stream)

    def persistent(self) -> object:
        """Pop a persistent id; what it stands for."""
        identity = self.stack.pop()
        if self._persistent is None:
            raise RejectedError("refused: a persistent id outside a torch file")
        return self._persistent(identity)

    def mark(self) -> None:
        """Begin a new stack."""
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        """Pop what lies above the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def drop(self) -> None:
        """Pop a value, or a mark that has none above it."""
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def call(self, target: object, arguments: object) -> object:
        """What an allowed name makes of the arguments."""
        if not isinstance(target, Allowed):
            raise RejectedError(f"refused: it calls a {type(target).__name__}")
        if not isinstance(arguments, tuple):
            raise RejectedError("damaged: a call whose arguments are no tuple")
        self.allowance.step(len(arguments))  # they may be walked, and one tuple serve many calls
        return target.call(self, arguments)

    def build(self) -> None:
        """Give the object on top its state."""
        state = self.stack.pop()
        build(self.stack[-1], state, self)

    def extend(self, items: list[Any]) -> None:
        """Append to the list on top."""
        if type(self.stack[-1]) is not list:
            raise RejectedError(f"refused: it appends to a {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        """Set keys and values in the dict on top."""
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise RejectedError(f"refused: it sets items of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked(key)] = value

    def number(self, layout: str) -> Any:
        """The next bytes as one number."""
        return struct.unpack(layout, self.stream.take(struct.calcsize(layout)))[0]

    def text(self, text: str) -> str:
        """A text, its memory accounted for."""
        self.allowance.hold(getsizeof(text))
        if re.search("[\ud800-\udfff]", text):
            raise RejectedError("damaged: a text with half a character")
        return text

    def raw(self, size: int) -> bytes | Stream:
        """The next bytes; many of them stay in the file."""
        return self.stream.take(size) if 0 <= size <= LAZY else self.stream.part(size)

    def long(self, size: int) -> int:
        """The next bytes as one integer."""
        if not 0 <= size <= MOST_DIGITS:
            raise RejectedError(f"refused: an integer of {size} bytes")
        return int.from_bytes(self.stream.take(size), "little", signed=True)

    def digits(self) -> bytes:
        """The next line, which is a number; many digits take the square of their time to read."""
        line = self.stream.line()
        if len(line) > MOST_DIGITS:
            raise RejectedError(f"refused: a number of {len(line)} digits")
        return line

    def integer(self) -> int:
        """The next line as an integer, or a truth value with a leading zero."""
        line = self.digits()
        return line == b"01" if line in (b"00", b"01") else int(line.removesuffix(b"L"))

    def quoted(self) -> str:
        """The next line as a text of Python 2, written as in its source."""
        line = self.stream.line().decode("latin-1").strip()
        rest = re.sub(r"""\\(?:[\\'"nrt]|x[0-9a-f]{2})""", "", line)
        if len(line) < 2 or line[0] not in "'\"" or line[-1] != line[0] or "\\" in rest or rest[-1] != line[0]:
            raise RejectedError("damaged: a text that is not quoted")
        return line[1:-1].encode("latin-1").decode("unicode_escape")

    def line(self) -> str:
        """The next line, which is UTF-8."""
        return self.stream.line().decode()

    def memoize(self, place: int) -> None:
        """Remember what lies on top."""
        if not 0 <= place < 1 << 32:
            raise RejectedError("damaged: a memo of billions")
        self.memo[place] = self.stack[-1]


Action = Callable[[Machine], None]


def _push(make: Callable[[Machine], object]) -> Action:
    return lambda machine: machine.stack.append(make(machine))


def _tuple(count: int) -> Action:
    def action(machine: Machine) -> None:
        if len(machine.stack) < count:
            raise RejectedError("damaged: a tuple of more values than there are")
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return action


def _counted(layout: str, encoding: str) -> Action:
    """Text; that of Python 2 is bytes, a character each."""
    return _push(lambda machine: machine.text(machine.stream.take(machine.number(layout)).decode(encoding)))


def _popping(use: Callable[[Machine, Any, Any], object]) -> Action:
    """Push what is made of the two topmost values, given in their order in the file."""

    def action(machine: Machine) -> None:
        second, first = machine.stack.pop(), machine.stack.pop()
        machine.stack.append(use(machine, first, second))

    return action


def _closed(make: Callable[[Machine, list[Any]], object]) -> Action:
    """Push what is made of the values above the mark."""

    def action(machine: Machine) -> None:
        items = machine.since_mark()
        machine.stack.append(make(machine, items))

    return action


def _dict(machine: Machine) -> None:
    items = machine.since_mark()
    machine.stack.append({})
    machine.update(items)


def _set_item(machine: Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.update([key, value])


def _new_with_names(machine: Machine) -> None:
    if machine.stack.pop() != {}:
        raise RejectedError("refused: it makes an object with named arguments")
    OPCODES[b"R"](machine)


def _stack_global(machine: Machine, module: object, name: object) -> object:
    if not isinstance(name, str) or not isinstance(module, str):
        raise RejectedError("damaged: a name that is no text")
    return find(module, name)


def _protocol(machine: Machine) -> None:
    protocol = machine.number("<B")
    if protocol > 5:
        raise RejectedError(f"a pickle of protocol {protocol}; known are 0 to 5")


def _refuse(what: str) -> Action:
    def action(machine: Machine) -> None:
        raise refusal(what)

    return action


OPCODES: Mapping[bytes, Action] = {
    b"\x80": _protocol,
    b"\x95": lambda machine: machine.stream.skip(8),  # a frame's length is for those who read ahead
    # values
    b"N": _push(lambda machine: None),
    b"\x88": _push(lambda machine: True),
    b"\x89": _push(lambda machine: False),
    b"]": _push(lambda machine: []),
    b"\x8f": _push(lambda machine: []),  # sets are lists here, so that nothing is hashed
    b"}": _push(lambda machine: {}),
    b")": _push(lambda machine: ()),
    b"K": _push(lambda machine: machine.number("<B")),
    b"M": _push(lambda machine: machine.number("<H")),
    b"J": _push(lambda machine: machine.number("<i")),
    b"G": _push(lambda machine: machine.number(">d")),
    b"F": _push(lambda machine: float(machine.digits())),
    b"I": _push(Machine.integer),
    b"L": _push(Machine.integer),
    b"\x8a": _push(lambda machine: machine.long(machine.number("<B"))),
    b"\x8b": _push(lambda machine: machine.long(machine.number("<i"))),
    b"S": _push(lambda machine: machine.text(machine.quoted())),
    b"V": _push(lambda machine: machine.text(machine.stream.line().decode("raw_unicode_escape"))),
    b"U": _counted("<B", "latin-1"),
    b"T": _counted("<i", "latin-1"),
    b"\x8c": _counted("<B", "utf-8"),
    b"X": _counted("<I", "utf-8"),
    b"\x8d": _counted("<Q", "utf-8"),
    b"C": _push(lambda machine: machine.raw(machine.number("<B"))),
    b"B": _push(lambda machine: machine.raw(machine.number("<I"))),
    b"\x8e": _push(lambda machine: machine.raw(machine.number("<Q"))),
    b"\x96": _push(lambda machine: machine.raw(machine.number("<Q"))),
    # stack and memo
    b"(": Machine.mark,
    b"0": Machine.drop,
    b"1": lambda machine: machine.since_mark().clear(),
    b"2": _push(lambda machine: machine.stack[-1]),
    b"h": _push(lambda machine: machine.memo[machine.number("<B")]),
    b"j": _push(lambda machine: machine.memo[machine.number("<I")]),
    b"g": _push(lambda machine: machine.memo[machine.integer()]),
    b"q": lambda machine: machine.memoize(machine.number("<B")),
    b"r": lambda machine: machine.memoize(machine.number("<I")),
    b"p": lambda machine: machine.memoize(machine.integer()),
    b"\x94": lambda machine: machine.memoize(len(machine.memo)),
    # containers
    b"t": _closed(lambda machine, items: tuple(items)),
    b"l": _closed(lambda machine, items: items),
    b"\x91": _closed(lambda machine, items: items),
    b"d": _dict,
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"a": lambda machine: machine.extend([machine.stack.pop()]),
    b"e": lambda machine: machine.extend(machine.since_mark()),
    b"\x90": lambda machine: machine.extend(machine.since_mark()),
    b"s": _set_item,
    b"u": lambda machine: machine.update(machine.since_mark()),
    # objects
    b"c": _push(lambda machine: find(machine.line(), machine.line())),
    b"\x93": _popping(_stack_global),
    b"R": _popping(Machine.call),
    b"\x81": _popping(Machine.call),  # NEWOBJ: a class is called as a function is
    b"\x92": _new_with_names,
    b"i": _closed(lambda machine, items: machine.call(find(machine.line(), machine.line()), tuple(items))),
    b"o": _closed(lambda machine, items: machine.call(items[0], tuple(items[1:]))),
    b"b": Machine.build,
    b"Q": _push(Machine.persistent),
    b"P": _refuse("a persistent id of protocol 0"),
    b"\x82": _refuse("copyreg's extension registry"),
    b"\x83": _refuse("copyreg's extension registry"),
    b"\x84": _refuse("copyreg's extension registry"),
    b"\x97": _refuse("a buffer outside the file"),
    b"\x98": _refuse("a buffer outside the file"),
}
