"""The few names that a foreign pickle may ask for, and what each gives here: never the real thing, only data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch

from wplus.models.checkpoints.foreign.arrays import array, as_bytes, strided
from wplus.models.checkpoints.foreign.stream import Allowance, Bytes, RejectedError, Stream, shown

Arguments = tuple[Any, ...]

LONGEST_NAME = 200

LONGEST_KEY = 4096
"""Characters of a dict's key; longer ones would take long to compare with their equals."""


@runtime_checkable
class Reader(Protocol):
    """What the constructors need of the machine that runs a pickle."""

    @property
    def allowance(self) -> Allowance:
        """What reading may still cost."""
        ...

    def nested(self, stream: Stream) -> object:
        """Read the legacy torch file within a pickle."""
        ...


@dataclass(frozen=True, eq=False)
class Allowed:
    """A name of the list on the pickle's stack; called with the pickle's arguments, it makes data."""

    name: str
    call: Callable[[Reader, Arguments], object]


@dataclass(eq=False)
class Storage:
    """A torch storage: memory, and what its numbers are."""

    data: Bytes
    dtype: torch.dtype


@dataclass(eq=False)
class Shell:
    """An object whose class is not here; `name` None stands for a bag of names that becomes a dict."""

    name: str | None
    state: object = None


@dataclass(eq=False)
class ArrayType:
    """A NumPy dtype: kind and size, then its byte order."""

    code: str
    order: str = ""


@dataclass(eq=False)
class PendingArray:
    """A NumPy array before and after its state is set."""

    value: object = None


def find(module: str, name: str) -> object:
    """What stands for a name in a pickle.

    Raises:
        RejectedError: it is not on the list.
    """
    asked = f"{module}.{name}"
    if len(asked) > LONGEST_NAME:
        raise refusal(asked)
    package, _, rest = module.partition(".")
    module = ".".join(filter(None, (_PYTHON2.get(package, package), rest)))
    module = module.replace("numpy.core", "numpy._core", 1)
    full = f"{module}.{name}"
    if name == "_reconstruct_persistent_obj" and module.rpartition(".")[2] == "persistence":
        return Allowed(full, _persistent)
    if full in _CALLS:
        return Allowed(full, _CALLS[full])
    if module in ("torch", "torch.cuda", "torch.storage") and name in STORAGES:
        return STORAGES[name]
    if module == "torch" and name in _DTYPES:
        return _DTYPES[name]
    if module.startswith("torch.nn.modules.") and name in _MODULES:
        return Allowed(full, lambda reader, arguments: Shell(name))
    raise refusal(asked)


def refusal(full: str) -> RejectedError:
    """The refusal of a name that is not on the list; what cannot be printed is left out of it."""
    if full.startswith("dill._dill."):
        return RejectedError("refused: it is written by dill, as StyleGAN-XL's snapshots; plain pickles are read")
    return RejectedError(f"refused: it asks for {shown(full)}, which no checkpoint needs")


def checked(key: object) -> object:
    """A dict's key that hashes fast: deep tuples would overflow the stack, chosen integers collide.

    Also compared fast: a long text that equals another is walked to its end each time.

    Raises:
        RejectedError: another one.
    """
    if isinstance(key, str | bytes) and len(key) > LONGEST_KEY:
        raise RejectedError(f"refused: a dict with a key of {len(key)} characters, where names belong")
    if type(key) in (str, bytes, float, bool, type(None)) or (type(key) is int and abs(key) < 1 << 60):
        return key
    raise RejectedError(f"refused: a dict with a key of type {_told(key)}, where names belong")


def build(target: object, state: object, reader: Reader) -> None:
    """Give an object its state: what pickle's BUILD does, for our own plain classes only.

    Raises:
        RejectedError: another object, or a state that it cannot have.
    """
    match target, state:
        case Shell(), _:
            target.state = state  # not a copy, which a short file could ask for many times
        case dict(), _:
            pass  # attributes of a dict, such as the `_metadata` of a state dict
        case ArrayType(), (int(), str(order), None, None, None, *_):
            target.order = order
        case PendingArray(), (int(), tuple(shape), ArrayType() as kind, fortran, raw):
            target.value = array(kind.order + kind.code, shape, raw, reader.allowance, fortran=fortran is True)
        case _:
            raise RejectedError(f"refused: it sets the state of a {_told(target)}")


def _told(value: object) -> str:
    return shown(value.name) if isinstance(value, Allowed) else type(value).__name__


def _persistent(reader: Reader, arguments: Arguments) -> object:
    """NVIDIA's: class name and state count, the source text is dropped unread."""
    match arguments:
        case ({"type": "class", "class_name": str(name), "state": state},) if _is_name(name):
            return Shell(name, state)
    raise RejectedError("damaged: a persistent object without class name and state")


def _is_name(name: str) -> bool:
    return len(name) <= LONGEST_NAME and name.isprintable()


def _shell(name: str | None) -> Callable[[Reader, Arguments], object]:
    return lambda reader, arguments: Shell(name)


def _dict(reader: Reader, arguments: Arguments) -> object:
    match arguments:
        case () | (dict(),):
            return arguments[0] if arguments else {}
        case (list(pairs),):
            reader.allowance.step(len(pairs))
            found: dict[object, object] = {}
            for pair in pairs:
                match pair:
                    case (key, value):
                        found[checked(key)] = value
                    case _:
                        raise RejectedError("damaged: an ordered dict that is no list of names and values")
            return found
    raise RejectedError("damaged: a dict made of something else")


def _items(reader: Reader, arguments: Arguments) -> object:
    """Sets, frozen sets and sizes: their items as they lie in the file (a copy for each use would be a bomb)."""
    match arguments:
        case ():
            return []
        case (list() | tuple() as items,):
            return items
    raise RejectedError("damaged: a set or size made of something else")


def _bytes(reader: Reader, arguments: Arguments) -> object:
    match arguments:
        case ():
            return b""
        case (bytes() | Stream() as raw,):
            return raw
        case (str(text), "latin-1" | "latin1"):
            reader.allowance.hold(len(text))
            return text.encode("latin-1")
    raise RejectedError("refused: it asks for an encoding other than latin-1")


def _text(reader: Reader, arguments: Arguments) -> object:
    """Devices as torch writes them, layouts by name."""
    words = [word for word in arguments if isinstance(word, str | int)]
    return ":".join(str(word)[:100] for word in words[:2])


def _path(reader: Reader, arguments: Arguments) -> object:
    words = [word for word in arguments if isinstance(word, str)]
    reader.allowance.hold(sum(map(len, words)))
    return "/".join(words).replace("//", "/", 1)


def _reconstructor(reader: Reader, arguments: Arguments) -> object:
    """What protocols 0 and 1 make objects with; here only those that the list makes anyhow."""
    match arguments:
        case (Allowed() as kind, Allowed(name="builtins.object" | "builtins.dict"), None | dict() as start):
            made = kind.call(reader, ())
            return start if isinstance(made, dict) and isinstance(start, dict) else made
    raise RejectedError("refused: it asks copyreg._reconstructor for an object of no known class")


def _nothing(reader: Reader, arguments: Arguments) -> object:
    raise RejectedError("refused: it makes an object of a class that only has its name here")


def _tensor(reader: Reader, arguments: Arguments) -> object:
    match arguments:
        case (Storage() as storage, int(offset), tuple(size), tuple(stride), *rest):
            dtype = next((item for item in rest if isinstance(item, torch.dtype)), storage.dtype)
            return strided(storage.data, dtype, offset, size, stride)
    raise RejectedError("damaged: a tensor whose storage or sizes are missing")


def _parameter(reader: Reader, arguments: Arguments) -> object:
    match arguments:
        case (torch.Tensor() as tensor, *_):
            return tensor
    raise RejectedError("damaged: a parameter that is no tensor")


def _load_from_bytes(reader: Reader, arguments: Arguments) -> object:
    """Torch's own unpickles without limits; here the bytes go through the same machine."""
    match arguments:
        case (bytes() | str() as raw,):
            reader.allowance.hold(len(raw) if isinstance(raw, str) else 0)  # text is copied
            found = reader.nested(Stream.of(as_bytes(raw), reader.allowance))
        case (Stream() as stream,):
            found = reader.nested(stream.again())
        case _:
            raise RejectedError("damaged: a storage that is not made of bytes")
    if not isinstance(found, Storage):
        raise RejectedError("refused: a torch file within a pickle that is not one storage")
    return found


def _pending(reader: Reader, arguments: Arguments) -> object:
    return PendingArray()


def _array_type(reader: Reader, arguments: Arguments) -> object:
    match arguments:
        case (str(code), *_):
            return ArrayType(code[:20])
    raise RejectedError("an array of a type that is neither numbers nor text")


def _scalar(reader: Reader, arguments: Arguments) -> object:
    match arguments:
        case (ArrayType() as kind, bytes() | str() as raw):
            value = array(kind.order + kind.code, (), raw, reader.allowance)
            return value.item() if isinstance(value, torch.Tensor) else value
    raise RejectedError("damaged: a NumPy number without its bytes")


def _from_buffer(reader: Reader, arguments: Arguments) -> object:
    match arguments:
        case (raw, ArrayType() as kind, tuple(shape), "C" | "F" as order):
            value = array(kind.order + kind.code, shape, raw, reader.allowance, fortran=order == "F")
            return PendingArray(value)
    raise RejectedError("damaged: a NumPy array without its bytes")


_PYTHON2: Mapping[str, str] = {"__builtin__": "builtins", "copy_reg": "copyreg"}

_CALLS: Mapping[str, Callable[[Reader, Arguments], object]] = {
    "_codecs.encode": _bytes,
    "argparse.Namespace": _shell(None),
    "builtins.bytearray": _bytes,
    "builtins.bytes": _bytes,
    "builtins.dict": _nothing,
    "builtins.frozenset": _items,
    "builtins.object": _nothing,
    "builtins.set": _items,
    "collections.Counter": _dict,
    "collections.OrderedDict": _dict,
    "copyreg._reconstructor": _reconstructor,
    "dnnlib.EasyDict": _dict,
    "dnnlib.tflib.network.Network": _shell("Network"),
    "dnnlib.util.EasyDict": _dict,
    "numpy._core.multiarray._reconstruct": _pending,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "numpy.dtype": _array_type,
    "numpy.ndarray": _nothing,
    "pathlib.PosixPath": _path,
    "pathlib.PurePosixPath": _path,
    "pathlib.PureWindowsPath": _path,
    "pathlib.WindowsPath": _path,
    "pathlib._local.PosixPath": _path,
    "pathlib._local.WindowsPath": _path,
    "torch.Size": _items,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor,
    "torch.device": _text,
    "torch.serialization._get_layout": _text,
    "torch.storage._load_from_bytes": _load_from_bytes,
}

STORAGES: Mapping[str, torch.dtype] = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
    "UntypedStorage": torch.uint8,
}
"""What the numbers of a storage are; on the pickle's stack the kind of number stands for the storage's class."""

_DTYPES: Mapping[str, torch.dtype] = {
    "bfloat16": torch.bfloat16,
    "bool": torch.bool,
    "complex128": torch.complex128,
    "complex64": torch.complex64,
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "int8": torch.int8,
    "uint16": torch.uint16,
    "uint32": torch.uint32,
    "uint64": torch.uint64,
    "uint8": torch.uint8,
}

_MODULES = frozenset(
    (
        "AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm2d", "Conv2d", "ConvTranspose2d", "Dropout", "Embedding",
        "Flatten", "Identity", "InstanceNorm2d", "LayerNorm", "LeakyReLU", "Linear", "MaxPool2d", "ModuleDict",
        "ModuleList", "PReLU", "ParameterList", "ReLU", "ReLU6", "Sequential", "Sigmoid", "Softplus", "Tanh",
        "Upsample", "ZeroPad2d",
    )
)  # fmt: skip
"""Layers of torch that come as their attributes, when somebody saved a whole module."""
