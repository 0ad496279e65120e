"""Files made to do harm: none runs code, crashes the interpreter, or takes more than 10 seconds and 4 GB.

All of them are read by one process that the system would end at 10 seconds a file, or refuse more than 4 GB.
"""

import io
import json
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from argparse import Namespace
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors_bytes

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints.foreign import read_tree
from wplus.models.checkpoints.latents import holds_codes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sets limits that only Linux keeps")

READER = """
import hashlib, json, resource, signal, sys
from pathlib import Path
import torch
from wplus.models.checkpoints.foreign import Thing, read_tree
from wplus.core.errors import GeneratorError, LatentError
from wplus.models.checkpoints.latents import codes_in

def digest(tree, sha):
    if isinstance(tree, torch.Tensor):
        sha.update(f"{tree.dtype}{tuple(tree.shape)}".encode() + bytes(tree.contiguous().reshape(-1).view(torch.uint8)))
    elif isinstance(tree, Thing):
        digest((tree.name, tree.state), sha)
    elif isinstance(tree, dict):
        digest([part for pair in tree.items() for part in pair], sha)
    elif isinstance(tree, (list, tuple)):
        sha.update(f"{type(tree)}{len(tree)}".encode())
        for item in tree:
            digest(item, sha)
    else:
        sha.update(repr(tree).encode())
    return sha

size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (4 << 30), size + (4 << 30)))
for path in sorted(Path(sys.argv[1]).iterdir()):
    signal.setitimer(signal.ITIMER_PROF, 10)
    try:
        tree = read_tree(path, error=GeneratorError)
        try:
            codes_in(tree)
        except LatentError:
            pass
        told = digest(tree, hashlib.sha256()).hexdigest()
        print(json.dumps([path.name, told, None]), flush=True)
    except GeneratorError as error:
        print(json.dumps([path.name, None, str(error).replace(str(path), "FILE")]), flush=True)
"""


# pickles by hand


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def raw(value):
    return b"B" + struct.pack("<I", len(value)) + value


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def body(value):
    """Opcodes that push a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def called(module, attribute, *arguments):
    """Opcodes that push what a call gives; arguments are opcodes."""
    return name(module, attribute) + b"(" + b"".join(arguments) + b"tR"


def whole(opcodes, protocol=2):
    return bytes([0x80, protocol]) + opcodes + b"."


MAGIC = 0x1950A86A20F9469CFC6C


def legacy(objects, *, system=None, keys=None, storages=b""):
    head = pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + (system or pickle.dumps({"little_endian": True}, 2))
    return head + objects + (keys or pickle.dumps([], 2)) + storages


def archive(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target:
        for member, data in members.items():
            target.writestr(member, data)
    return file.getvalue()


def torch_zip(data, storages=(), compression=zipfile.ZIP_STORED, **more):
    members = {"a/data.pkl": data, "a/version": b"3\n", "a/byteorder": b"little"}
    return archive(members | {f"a/data/{key}": item for key, item in enumerate(storages)} | more, compression)


def npy(header, data=b"", version=1):
    packed = header.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(packed)) + packed + data


def npy_of(code, shape, data=b""):
    return npy(f"{{'descr': '{code}', 'fortran_order': False, 'shape': {shape}, }}\n", data)


def inner(data):
    return called("torch.storage", "_load_from_bytes", raw(data))


def storage(key="0", count=4, kind="FloatStorage", more=b""):
    return b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + body(count) + more + b"tQ"


def tensor(size, stride, offset=0, **which):
    tail = body((offset, size, stride, False))
    tail = b"".join([body(offset), body(size), body(stride), body(False), called("collections", "OrderedDict")])
    return called("torch._utils", "_rebuild_tensor_v2", storage(**which), tail)


def array(code, shape, data, *, order="<", state=5):
    kind = called("numpy", "dtype", text(code), b"\x89\x88") + body((3, order, None, None, None, -1, -1, 0)) + b"b"
    start = called("numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), body((0,)), raw(b"b"))
    return start + b"(" + body(1) + body(shape) + kind + b"\x89" + data + b"tb"


# the ways to call something

GADGETS = [
    *[(module, attribute, ("touch CANARY",)) for module in ("os", "posix", "nt") for attribute in ("system", "popen")],
    *[
        (module, attribute, ("open('CANARY', 'w')",))
        for module in ("builtins", "__builtin__")
        for attribute in ("eval", "exec", "execfile", "apply")
    ],
    ("builtins", "open", ("CANARY", "w")),
    ("builtins", "compile", ("open('CANARY', 'w')", "a", "exec")),
    ("builtins", "__import__", ("CANARY",)),
    ("builtins", "getattr", ("", "format")),
    ("builtins", "setattr", ("", "a", "b")),
    ("builtins", "map", ()),
    ("builtins", "type", ("A", (), {})),
    ("io", "open", ("CANARY", "w")),
    ("io", "FileIO", ("CANARY", "w")),
    ("_io", "open", ("CANARY", "w")),
    ("os", "mkdir", ("CANARY",)),
    ("os", "execv", ("/usr/bin/touch", ["touch", "CANARY"])),
    ("os", "open", ("CANARY", os.O_CREAT)),
    ("os.path", "exists", ("CANARY",)),
    ("subprocess", "Popen", (["touch", "CANARY"],)),
    ("subprocess", "check_output", (["touch", "CANARY"],)),
    ("subprocess", "run", (["touch", "CANARY"],)),
    ("commands", "getoutput", ("touch CANARY",)),
    ("pty", "spawn", (["touch", "CANARY"],)),
    ("pathlib", "Path.touch", ("CANARY",)),
    ("pathlib", "Path.write_text", ("CANARY", "a")),
    ("shutil", "copyfile", ("/etc/hostname", "CANARY")),
    ("runpy", "run_path", ("CANARY",)),
    ("runpy", "_run_code", ("open('CANARY', 'w')", {})),
    ("importlib", "import_module", ("antigravity",)),
    ("imp", "load_source", ("a", "CANARY")),
    ("code", "InteractiveInterpreter.runcode", ("open('CANARY', 'w')",)),
    ("timeit", "timeit", ("open('CANARY', 'w')",)),
    ("cProfile", "run", ("open('CANARY', 'w')",)),
    ("pdb", "run", ("open('CANARY', 'w')",)),
    ("bdb", "Bdb.run", ("open('CANARY', 'w')",)),
    ("doctest", "debug_script", ("open('CANARY', 'w')",)),
    ("trace", "Trace.run", ("open('CANARY', 'w')",)),
    ("asyncio", "create_subprocess_shell", ("touch CANARY",)),
    ("multiprocessing.util", "spawnv_passfds", (b"/usr/bin/touch", [b"CANARY"], [])),
    ("types", "FunctionType", ()),
    ("types", "CodeType", ()),
    ("marshal", "loads", (b"c",)),
    ("ctypes", "CDLL", ("CANARY",)),
    ("socket", "create_connection", (("127.0.0.1", 9),)),
    ("urllib.request", "urlretrieve", ("file:///etc/hostname", "CANARY")),
    ("webbrowser", "open", ("CANARY",)),
    ("tempfile", "mkdtemp", ("CANARY",)),
    ("logging.config", "dictConfig", ({},)),
    ("operator", "attrgetter", ("__globals__",)),
    ("operator", "methodcaller", ("system", "touch CANARY")),
    ("_operator", "itemgetter", (0,)),
    ("functools", "partial", ()),
    ("functools", "reduce", ()),
    ("itertools", "starmap", ()),
    ("copyreg", "add_extension", ("os", "system", 1)),
    ("copyreg", "__newobj__", ()),
    ("pickle", "loads", (b"N.",)),
    ("_pickle", "loads", (b"N.",)),
    ("pickle", "Unpickler", ()),
    ("dill", "loads", (b"N.",)),
    ("joblib", "load", ("CANARY",)),
    ("numpy", "load", ("CANARY",)),
    ("numpy", "save", ("CANARY", 1)),
    ("numpy", "memmap", ("CANARY",)),
    ("numpy.testing._private.utils", "runstring", ("open('CANARY', 'w')", {})),
    ("numpy.f2py", "compile", ("a",)),
    ("torch", "load", ("CANARY",)),
    ("torch", "save", (1, "CANARY")),
    ("torch.hub", "load", ("a", "b")),
    ("torch.jit", "load", ("CANARY",)),
    ("torch.jit.frontend", "get_jit_def", ()),
    ("torch.serialization", "load", ("CANARY",)),
    ("torch.serialization", "os.system", ("touch CANARY",)),
    ("torch.utils.cpp_extension", "load_inline", ("a",)),
    ("torch._utils", "_import_dotted_name", ("os.system",)),
    ("torch._tensor", "_rebuild_from_type_v2", ()),
    ("torch._dynamo.guards", "GuardBuilder.get", ("open('CANARY', 'w')",)),
    ("torch.fx.graph_module", "reduce_graph_module", ({}, "")),
    ("torch.nn.modules", "os.system", ("touch CANARY",)),
    ("torch.nn.modules.container", "Sequential.forward.__globals__", ()),
    ("torch.storage", "io.open", ("CANARY", "w")),
    ("torch.storage", "_load_from_bytes.__globals__", ()),
    ("collections", "OrderedDict.__reduce__", ()),
    ("collections", "namedtuple", ("a", "b")),
    ("collections", "sys.modules", ()),
    ("argparse", "Namespace.__init__.__globals__", ()),
    ("argparse", "FileType.__call__", ("CANARY",)),
    ("dnnlib.util", "call_func_by_name", ("touch CANARY",)),
    ("dnnlib.util", "EasyDict.__class__", ()),
    ("dnnlib.util", "open_url", ("http://127.0.0.1",)),
    ("dnnlib.tflib.network", "Network.run", ()),
    ("torch_utils.persistence", "_src_to_module", ("open('CANARY', 'w')",)),
    ("torch_utils.persistence", "persistent_class", ()),
    ("wplus.core.files", "write_text", ("CANARY", "a")),
    ("wplus.models.checkpoints.foreign.tree", "Thing", ("a", "b")),
    ("wplus.models.checkpoints.foreign.stream", "Stream", ()),
    ("__main__", "digest", ()),
    ("sys", "exit", (1,)),
    ("os", "_exit", (1,)),
    ("os", "abort", ()),
    ("signal", "raise_signal", (9,)),
    ("faulthandler", "_sigsegv", ()),
    ("", "", ()),
    ("os\u202e", "metsys", ()),
    ("o" * 5000, "s" * 5000, ()),
]

STYLES = {
    "reduce 0": lambda module, attribute, values: name(module, attribute) + pickle.dumps(values, 0)[:-1] + b"R.",
    "reduce 2": lambda module, attribute, values: whole(name(module, attribute) + body(values) + b"R"),
    "reduce 4": lambda module, attribute, values: whole(
        text(module) + text(attribute) + b"\x93" + body(values) + b"R", 4
    ),
    "instance 0": lambda module, attribute, values: (
        b"(" + b"".join(map(body, values)) + b"i" + name(module, attribute)[1:] + b"."
    ),
    "object 1": lambda module, attribute, values: b"(" + name(module, attribute) + b"".join(map(body, values)) + b"o.",
    "new 2": lambda module, attribute, values: whole(name(module, attribute) + body(values) + b"\x81"),
    "new with names 4": lambda module, attribute, values: whole(name(module, attribute) + body(values) + b"}\x92", 4),
}

PLACES = {
    "archive": torch_zip,
    "packed archive": lambda data: torch_zip(data, compression=zipfile.ZIP_DEFLATED),
    "legacy": legacy,
    "legacy system": lambda data: legacy(pickle.dumps({}, 2), system=data),
    "legacy keys": lambda data: legacy(pickle.dumps({}, 2), keys=data),
    "inner": lambda data: whole(inner(data)),
    "inner legacy": lambda data: whole(inner(legacy(data))),
    "inner legacy keys": lambda data: whole(inner(legacy(whole(storage(count=0)), keys=data))),
    "inner in archive": lambda data: torch_zip(whole(inner(legacy(data)))),
    "npy": lambda data: npy_of("|O", "()", data),
    "npz": lambda data: archive({"a.npy": npy_of("|O", "(1,)", data)}),
    "packed npz": lambda data: archive({"a.npy": npy_of("|O", "(1,)", data)}, zipfile.ZIP_DEFLATED),
    "state": lambda data: whole(
        called("torch_utils.persistence", "_reconstruct_persistent_obj", b"}(" + text("state") + data[2:-1] + b"u")
    ),
    "key": lambda data: whole(b"}(" + data[2:-1] + b"Nu"),
    "built": lambda data: whole(called("argparse", "Namespace") + data[2:-1] + b"b"),
    "second": lambda data: whole(body([1.0, "a", {}]) + b"0" + data[2:-1]),
}


def gadgets(canary):
    for number, (module, attribute, values) in enumerate(GADGETS):
        values = json.loads(json.dumps(values, default=lambda value: value.decode()).replace("CANARY", canary))
        for style, make in STYLES.items():
            yield f"{number:03} {style}", make(module, attribute, tuple(values))
        plain = STYLES["reduce 2"](module, attribute, tuple(values))
        for place, make in PLACES.items():
            yield f"{number:03} {place}", make(plain)


def other_code(canary):
    source = f"open({canary!r}, 'w')"
    call = called("os", "system", text(f"touch {canary}"))
    yield "extension 1", whole(b"\x82\x01)R")
    yield "extension 2", whole(b"\x83\x01\x01)R")
    yield "extension 4", whole(b"\x84\x01\x01\x01\x01)R")
    yield "buffer", whole(b"\x97\x98", 5)
    yield "persistent line", b"Pos.system\n."
    yield "persistent id", whole(text("os.system") + b"Q")
    yield "persistent id in archive", torch_zip(whole(body(("module", "os", source, source)) + b"Q"))
    yield "persistent call in archive", torch_zip(whole(b"(" + text("module") + call + body(source) + b"tQ"))
    yield "legacy module", legacy(whole(body(("module", "os", source, source)) + b"Q"))
    yield "twice nested", whole(inner(legacy(whole(inner(legacy(whole(call)))))))
    yield "nested archive", whole(inner(torch_zip(whole(call))))
    yield "nested plain storage", whole(inner(pickle.dumps({"a": 1})))
    yield "nested list of storages", whole(inner(legacy(pickle.dumps([1], 2))))
    yield "call of text", whole(text("os.system") + body((f"touch {canary}",)) + b"R")
    yield "call of a dict", whole(b"}" + body((1,)) + b"R")
    yield "call of a storage type", whole(name("torch", "FloatStorage") + body((1 << 50,)) + b"R")
    yield "call of a dtype", whole(name("torch", "float32") + b")R")
    yield "call of ndarray", whole(name("numpy", "ndarray") + body(((1 << 50,),)) + b"R")
    yield "call of object", whole(name("builtins", "object") + b")\x81")
    yield "state of a dtype", whole(name("torch", "float32") + body({"a": source}) + b"b")
    yield "state of a list", whole(b"]" + body({"__setstate__": source}) + b"b")
    yield "state of a name", whole(name("collections", "OrderedDict") + body({"call": source}) + b"b")
    yield "state of a tensor", torch_zip(whole(tensor((4,), (1,)) + body({"a": 1}) + b"b"), [bytes(16)])
    yield "append to a name", whole(name("collections", "OrderedDict") + b"Na")
    yield "append to an object", whole(called("argparse", "Namespace") + b"Na")
    yield "item of an object", whole(called("argparse", "Namespace") + text("__class__") + b"Ns")
    yield "item of a tuple", whole(b")" + text("a") + b"Ns")
    yield "reconstructor of code", whole(called("copyreg", "_reconstructor", name("os", "system"), b"NN"))
    reconstructor = called("copyreg", "_reconstructor", name("numpy", "ndarray"), name("builtins", "object"), b"N")
    yield "reconstructor of an array", whole(reconstructor)
    yield "reconstructor by text", whole(called("copyreg", "_reconstructor", text("os"), text("a"), b"N"))
    yield "encoding", whole(called("_codecs", "encode", text(source), text("rot13")))
    yield "encoding to bytes", whole(called("_codecs", "encode", text(source), text("zlib")))
    yield "script", torch_zip(pickle.dumps({}), **{"a/constants.pkl": b"", "a/code/__torch__.py": source.encode()})
    yield "script without constants", torch_zip(pickle.dumps({}), **{"a/code/__torch__.py": source.encode()})
    yield "source in an npy header", npy(f"{{'descr': {source}, 'fortran_order': False, 'shape': (), }}")
    yield "source in an npy shape", npy_of("<f4", f"({source},)")
    yield "source in an npy type", npy_of("<f4' or " + source + " or '", "()")
    yield "source", source.encode()
    yield "source that ends as a pickle", b"import os; open('a', 'w')\n#."


def truncations():
    weights = {f"layer{index}.weight": torch.randn(5, 7) for index in range(6)} | {"half": torch.ones(9).half()}
    arrays = {"w": np.random.default_rng(0).normal(size=(1, 18, 32)), "name": np.array("a latent")}
    yield "archive", saved(weights)
    yield "legacy", saved(weights, _use_new_zipfile_serialization=False)
    for protocol in range(6):
        tree = {"weights": weights, "arrays": arrays, "opts": Namespace(size=1024, path="a/b", rate=0.1)}
        yield f"pickle {protocol}", pickle.dumps(tree, protocol)
    yield "snapshot", snapshot()
    yield "npy", written(np.save, arrays["w"])
    yield "objects", written(np.save, np.array({"a.png": {0: arrays["w"]}}, dtype=object))
    yield "npz", written(np.savez, **arrays)
    yield "packed npz", written(np.savez_compressed, **arrays)
    yield "safetensors", safetensors_bytes(weights, metadata={"a": "b"})


def snapshot(source=""):
    """A file of NVIDIA's kind, with a source text."""
    weights = pickle.dumps(OrderedDict(weight=torch.randn(3, 4)), 2)[2:-1]
    state = b"}(" + text("_parameters") + weights + text("training") + b"\x89u"
    known = body({"type": "class", "version": 6, "module_src": source, "class_name": "Generator"})
    made = called("torch_utils.persistence", "_reconstruct_persistent_obj", known + text("state") + state + b"s")
    return whole(b"}" + text("G_ema") + made + b"s")


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def written(write, *arguments, **arrays):
    file = io.BytesIO()
    write(file, *arguments, **arrays)
    return file.getvalue()


def cut(data):
    """All but the last hundredths of a file, and all but its last byte."""
    ends = {len(data) * part // 100 for part in range(100)} | {len(data) - 1}
    return [data[:end] for end in sorted(ends)]


def flipped(data, seed, count=60):
    dice = random.Random(seed)
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(dice.choice([1, 1, 1, 2, 8])):
            copy[dice.randrange(len(copy))] ^= 1 << dice.randrange(8)
        yield bytes(copy)


def bombs():
    yield "laughs", whole(b"](NNe" + b"".join(b"q\x010](" + b"h\x01" * 10 + b"e" for _ in range(40)))
    yield "laughing tuples", whole(b")" + b"".join(b"q\x010h\x01h\x01\x86" for _ in range(60)))
    yield "laughing dicts", whole(b"}" + b"".join(b"q\x010}(Nh\x01\x88h\x01u" for _ in range(60)))
    bag = called("argparse", "Namespace") + b"](" + b"h\x01" * 5 + b"ebq\x01"
    yield "laughing bags", whole(b"Nq\x010" + bag * 40)
    deep = 200_000  # Python's own unpickler ends in a segmentation fault where one of these is a key
    for kind, start, step in [("lists", b"]" * deep, b"a" * (deep - 1)), ("tuples", b")", b"\x85" * deep)]:
        yield f"deep {kind}", whole(start + step)
        if kind == "lists":
            continue
        yield f"deep {kind} as a key", whole(b"}" + start + step + b"Ns")
        yield f"deep {kind} in a set", whole(b"\x8f(" + start + step + b"\x90", 4)
        yield f"deep {kind} in a frozen set", whole(b"(" + start + step + b"\x91", 4)
        yield f"deep {kind} as a state", whole(called("argparse", "Namespace") + start + step + b"b")
        yield f"deep {kind} as an id", torch_zip(whole(start + step + b"Q"))
        yield f"deep {kind} as a size", whole(called("torch", "Size", start + step))
        yield (
            f"deep {kind} as a key of an ordered dict",
            whole(called("collections", "OrderedDict", b"](" + start + step + b"N\x86e")),
        )
        yield f"deep {kind} as keys of storages", legacy(whole(b"N"), keys=whole(b"](" + start + step + b"e"))
        yield f"deep {kind} as names of a call", whole(name("argparse", "Namespace") + b")" + start + step + b"\x92")
    yield "deep dicts", whole(b"}N" * (deep // 2) + b"}" + b"s" * (deep // 2))
    yield "deep bags", whole(called("argparse", "Namespace") * 50_000 + b"b" * 49_999)
    yield "deep marks", whole(b"(" * 1_050_000)
    yield "many lists", whole(b"(" + b"]" * 1_050_000 + b"t")
    yield "many nones", whole(b"(" + b"N" * 1_050_000 + b"t")
    yield "many duplicates", whole(b"(" + b"]" + b"2" * 1_050_000 + b"t")
    yield "many arrays", whole(b"(" + array("f4", (0,), raw(b"")) * 50_000 + b"t")
    yield (
        "colliding keys",
        whole(
            b"}("
            + b"".join(b"\x8a\x0d" + ((2**61 - 1) * (k + 2**40)).to_bytes(13, "little") + b"N" for k in range(60_000))
            + b"u"
        ),
    )
    yield "colliding memo", b"N" + b"".join(b"p%d\n" % ((2**61 - 1) * k) for k in range(1, 60_000)) + b"."
    items = b"](" + b"K\x01" * 100_000 + b"eq\x02"
    again = called("builtins", "set", b"h\x02")
    yield "copied sets", whole(b"(" + items + again * 20_000 + b"t")
    again = called("collections", "OrderedDict", b"h\x02")
    yield "copied dicts", whole(b"(](" + body(("a", 1)) * 100_000 + b"eq\x02" + again * 20_000 + b"t")
    again = called("_codecs", "encode", b"h\x02", text("latin1"))
    yield "copied bytes", whole(b"(" + text("a" * 1_000_000) + b"q\x02" + again * 20_000 + b"t")
    again = called("pathlib", "PosixPath", b"h\x02h\x02h\x02h\x02")
    yield "copied paths", whole(b"(" + text("a" * 1_000_000) + b"q\x02" + again * 20_000 + b"t")
    again = called("torch.storage", "_load_from_bytes", b"h\x02")
    storage_bytes = legacy(
        whole(storage(count=250_000)),
        keys=pickle.dumps(["0"], 2),
        storages=struct.pack("<q", 250_000) + bytes(1_000_000),
    )
    yield "copied storages", whole(b"(" + raw(storage_bytes) + b"q\x02" + again * 5_000 + b"t")
    again = array("u1", (1_000_000,), b"h\x02")
    yield "copied arrays", whole(b"(" + raw(bytes(1_000_000)) + b"q\x02" + again * 5_000 + b"t")
    again = array("S1", (1_000_000,), b"h\x02")
    yield "copied texts", whole(b"(" + raw(b"a" * 1_000_000) + b"q\x02" + again * 5_000 + b"t")
    again = array("O", (10_000,) + (1,) * 30, b"h\x02", order="|")
    yield "copied objects", whole(b"](" + b"N" * 10_000 + b"eq\x02" + b"(" + again * 5_000 + b"t")
    yield "bytes held often", whole(raw(bytes(1_000_000)) + b"q\x02(" + b"h\x02" * 100_000 + b"t")
    yield "itself in a list", whole(b"]q\x02h\x02a")
    yield "itself in a dict", whole(b"}q\x02Nh\x02s")
    yield "itself in a bag", whole(called("argparse", "Namespace") + b"q\x02h\x02b")
    yield "itself in an array", whole(b"]q\x02" + array("O", (1,), b"h\x02", order="|") + b"q\x030h\x02h\x03ah\x03")
    yield "integer of gigabytes", whole(b"\x8b\xff\xff\xff\x7f" + b"a" * 1000)
    yield "integer of a megabyte", whole(b"\x8b" + struct.pack("<i", 1 << 20) + b"a" * (1 << 20))
    yield "integer of negative size", whole(b"\x8b\xff\xff\xff\xff")
    yield "integer of many digits", b"I" + b"9" * 3_000_000 + b"\n."
    yield "long of many digits", b"L" + b"9" * 3_000_000 + b"L\n."
    yield "integer in hexadecimal", b"I0x10\n."
    for opcode in (b"X", b"B", b"T", b"\x8d", b"\x8e", b"\x96"):
        for size in (b"\xff" * 8, b"\xff\xff\xff\x7f" + bytes(4), b"\xff" * 7 + b"\x7f", bytes(4) + b"\x80" + bytes(3)):
            yield f"length {opcode.hex()} {size.hex()}", whole(opcode + size + b"a" * 100, 5)
    yield "memo of billions", whole(b"Nr\xff\xff\xff\xffj\xff\xff\xff\xfe")
    yield "memo of more", b"Np99999999999999999999\n."
    yield "memo of negatives", b"Np-1\n."
    yield "memo of nothing", whole(b"q\x01")
    yield "half a character", whole(b"X\x03\x00\x00\x00\xed\xa0\x80")
    yield "half an escaped character", b"V\\ud800\n."
    yield "escapes", b"S'\\N{BULLET}'\n."
    yield "no quotes", b"Sa\n."
    yield "protocol 9", whole(b"N", 9)
    state = body({"type": "class", "class_name": "Generator\n\x1b[31m", "state": {}})
    yield "class of many lines", whole(called("torch_utils.persistence", "_reconstruct_persistent_obj", state))
    yield "module in red", whole(name("a\x1b[31m.persistence", "_reconstruct_persistent_obj") + b"Nb")
    yield "nothing to stop", whole(b"")
    yield "no marks", whole(b"t")


def memoized():
    """Something big that the file holds once and uses many times."""
    keys = b"".join(b"J" + struct.pack("<i", key) + b"N" for key in range(100_000))
    build = called("dnnlib.tflib.network", "Network") + b"h\x02b"
    yield "state of many networks", whole(b"}(" + keys + b"uq\x02](" + build * 20_000 + b"e")
    many = b"(" + b"N" * 200_000 + b"tq\x02"
    for module, attribute in [("torch", "device"), ("pathlib", "PosixPath"), ("numpy", "dtype")]:
        start = text("f4") if attribute == "dtype" else b""
        again = many.replace(b"(", b"(" + start, 1) + name(module, attribute) + b"q\x01"
        yield f"arguments of {attribute}", whole(again + b"h\x01h\x02R0" * 100_000)
    long = text("y" * 3_000_000)
    again = b"h\x02Ns" * 300_000
    yield "equal long keys", whole(b"}" + long + b"Ns" + long + b"q\x020" + again)
    yield (
        "equal long keys of bytes",
        whole(
            b"}"
            + b"".join(called("_codecs", "encode", long, text("latin1")) + part for part in (b"Ns", b"q\x020"))
            + again
        ),
    )
    again = b"(" + text("storage") + name("torch", "FloatStorage") + b"h\x02" + text("cpu") + b"K\x00tQ0"
    again = storage(count=0).replace(text("0"), long) + b"0" + long + b"q\x020" + again * 60_000
    yield "equal long keys of storages", legacy(whole(again))
    again = called("torch.storage", "_load_from_bytes", b"h\x02") + b"0"
    packed = legacy(whole(storage(count=0)), keys=pickle.dumps(["0"], 2), storages=bytes(8))
    packed = b"T" + struct.pack("<i", len(packed) + 10_000_000) + packed + bytes(10_000_000)
    yield "storages in text", whole(packed + b"q\x02" + again * 15_000)
    member = npy_of("|O", "()", whole(array("O", (), b"]Na", order="|")))
    yield "overlapping entries", nested(member, 5000, bytes(10_000_000))
    for label, count, uses in [("expanded", 28_000, 1), ("expanded a little", 280, 100), ("same", 0, 60)]:
        sides, strides = ((count, 18, 512), (0, 0, 0)) if count else ((400, 18, 512), (18 * 512, 512, 1))
        size = 1 if count else 400 * 18 * 512
        tail = b"".join([body(0), body(sides), body(strides), b"\x89", called("collections", "OrderedDict")])
        begin = storage(kind="UntypedStorage", count=size) + tail + name("torch", "float8_e4m3fn")
        made = called("torch._utils", "_rebuild_tensor_v3", begin) + b"q\x02"
        yield f"{label} fp8", torch_zip(whole(b"](" + made + b"h\x02" * (uses - 1) + b"e"), [bytes(size)])


def nested(member, count, end):
    """An archive each of whose files contains the next, to the archive's end."""
    heads = b"".join(b"PK\3\4" + bytes(22) + struct.pack("<HH", 9, 0) + b"%05d.npy" % i + member for i in range(count))
    directory, step = b"", len(heads) // count
    for index in range(count):
        size = len(heads) - index * step - 39 + len(end)
        directory += struct.pack("<4s16xIIHHH8xI", b"PK\1\2", size, size, 9, 0, 0, index * step) + b"%05d.npy" % index
    ends = struct.pack("<4s4xHHIIH", b"PK\5\6", count, count, len(directory), len(heads) + len(end), 0)
    return heads + end + directory + ends


def bad_tensors():
    sizes = {
        "huge": ((1 << 40,), (1,)),
        "huge expanded": ((1 << 40,), (0,)),
        "large expanded": ((1 << 33,), (0,)),
        "enormous": ((1 << 63,), (1,)),
        "overflowing": ((1 << 32, 1 << 32), (1, 1)),
        "overflowing to nothing": ((1 << 62, 4, 0), (0, 0, 0)),
        "beyond": ((5,), (1,)),
        "stride beyond": ((2,), (4,)),
        "stride overflowing": ((3,), (1 << 63,)),
        "stride far": ((3,), (1 << 62,)),
        "negative size": ((-1,), (1,)),
        "negative stride": ((2,), (-1,)),
        "two negative sizes": ((-2, -2), (1, 1)),
        "no integers": ((4.0,), (1,)),
        "text": (("4",), (1,)),
        "truth": ((True,), (1,)),
        "more strides": ((4,), (1, 1)),
        "many dimensions": ((1,) * 1000, (1,) * 1000),
        "very many dimensions": ((1,) * 100_000, (1,) * 100_000),
    }
    four = [bytes(16)]
    for label, (size, stride) in sizes.items():
        yield label, torch_zip(whole(tensor(size, stride)), four)
        keyed = legacy(
            whole(tensor(size, stride)), keys=pickle.dumps(["0"], 2), storages=struct.pack("<q", 4) + bytes(16)
        )
        yield f"{label} legacy", keyed
    for offset in (1, -1, 1 << 40, 1 << 64, 0.5, "a", None):
        yield f"offset {offset}", torch_zip(whole(tensor((4,), (1,), offset)), four)
    for count in (5, -1, 1 << 40, 1 << 62, 1 << 70, 1.5, "4", None):
        yield f"count {count}", torch_zip(whole(tensor((4,), (1,), count=count)), four)
        yield (
            f"count {count} legacy",
            legacy(
                whole(tensor((4,), (1,), count=count)),
                keys=pickle.dumps(["0"], 2),
                storages=struct.pack("<q", 4) + bytes(16),
            ),
        )
    for key in ("1", "../data.pkl", "/etc/passwd", "", "0\0", "a" * 100_000):
        yield f"key {key[:3].encode().hex()} {len(key)}", torch_zip(whole(tensor((4,), (1,), key=key)), four)
    for view in ((1, 0, 5), (1, -1, 2), (1, 2, 1 << 62), (1, 2), "view"):
        keyed = legacy(
            whole(tensor((4,), (1,), more=body(("v", *view[1:]) if view != "view" else view))),
            keys=pickle.dumps(["0"], 2),
            storages=struct.pack("<q", 4) + bytes(16),
        )
        yield f"view {view}", keyed
    for written_count in (3, 5, -1, 1 << 62):
        keys = pickle.dumps(["0"], 2)
        yield (
            f"stored {written_count}",
            legacy(whole(tensor((4,), (1,))), keys=keys, storages=struct.pack("<q", written_count) + bytes(16)),
        )
    for keys in ([], ["1"], ["0", "0"], ["0", "1"], [0], [["0"]], "0", {"0": 1}, None):
        yield (
            f"keys {keys}",
            legacy(
                whole(tensor((4,), (1,))), keys=pickle.dumps(keys, 2), storages=(struct.pack("<q", 4) + bytes(16)) * 2
            ),
        )
    many = tensor((1 << 18,), (1,), count=1 << 18) + b"q\x05" + b"h\x05" * 100_000
    yield "one tensor many times", torch_zip(whole(b"(" + many + b"t"), [bytes(1 << 20)])
    many = tensor((1 << 10, 1 << 8), (0, 1), count=1 << 8) * 20_000
    yield "many expanded tensors", torch_zip(whole(b"(" + many + b"t"), [bytes(1 << 10)])
    yield (
        "two kinds of number",
        legacy(
            whole(b"(" + tensor((4,), (1,)) + tensor((4,), (1,), kind="DoubleStorage") + b"t"),
            keys=pickle.dumps(["0"], 2),
            storages=struct.pack("<q", 4) + bytes(16),
        ),
    )
    yield "no storage", whole(called("torch._utils", "_rebuild_tensor_v2", b"N", body(0), body(()), body(()), b"\x89N"))
    yield "no arguments", whole(called("torch._utils", "_rebuild_tensor_v2"))
    yield "parameter of text", whole(called("torch._utils", "_rebuild_parameter", text("a"), b"\x89N"))
    yield "quantised", whole(called("torch._utils", "_rebuild_qtensor"))
    yield "sparse", whole(called("torch._utils", "_rebuild_sparse_tensor"))


def bad_arrays():
    for code in ("f4", "O", "S4", "U1", "b1"):
        for shape in ((5,), (1 << 62,), (-1,), (-4, -1), (2, 1 << 63), ("4",), (1.0,), 4, (1,) * 1000):
            yield f"{code} {str(shape)[:20]}", whole(array(code, shape, raw(bytes(16))))
            if isinstance(shape, tuple) and len(shape) < 9 and all(isinstance(side, int) for side in shape):
                yield f"{code} {shape} npy", npy_of(f"<{code}", str(shape), bytes(16))
    for code in (
        "S0",
        "U0",
        "S",
        "U",
        "V8",
        "M8",
        "f3",
        "f16",
        "O",
        "g",
        "",
        "f4" * 100,
        "i4,i4",
        "S99999999",
        "U9999",
    ):
        yield f"type {code[:8]}", whole(array(code, (1 << 40,) if code[-1:] == "0" else (4,), raw(bytes(16))))
        yield f"type {code[:8]} npy", npy_of(f"<{code}", "(4,)", bytes(16))
        scalar = called(
            "numpy.core.multiarray", "scalar", called("numpy", "dtype", text(code), b"\x89\x88"), raw(bytes(7))
        )
        yield f"type {code[:8]} alone", whole(scalar)
    beyond = array("U1", (4,), raw(b"\xff" * 16))
    yield "characters beyond", whole(beyond)
    yield "fields", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", bytes(16))
    yield (
        "subarray state",
        whole(
            called("numpy", "dtype", text("V8"), b"\x89\x88") + body((3, "|", None, ("a",), {"a": 1}, 8, 1, 16)) + b"b"
        ),
    )
    buffer = [raw(bytes(16)), called("numpy", "dtype", text("f4"), b"\x89\x88"), body((1 << 40,)), text("C")]
    yield "buffer", whole(called("numpy._core.numeric", "_frombuffer", *buffer))
    yield "header of megabytes", npy("{" + " " * (1 << 21) + "}", version=2)
    yield "header of gigabytes", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"
    yield "header of brackets", npy("(" * 9000)
    yield "header of minuses", npy_of("<f4", "(" + "-" * 9000 + "1,)")
    yield "header of digits", npy_of("<f4", "(" + "9" * 9000 + ",)")
    yield "header of sides", npy_of("<f4", "(" + "1," * 9000 + ")")
    yield "header of spaces", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1 " * 9000 + ")")
    yield "version 9", b"\x93NUMPY\x09\x00\x00\x00"
    yield "no header", b"\x93NUMPY"


def bad_archives():
    zeros = packed_zeros(3000)
    yield "bomb", handmade({"a.npy": (8, zeros, 3000 << 20)})
    yield "bomb that lies", handmade({"a.npy": (8, zeros, 1000)})
    yield "bomb that lies more", handmade({"a.npy": (8, zeros, 0)})
    few = npy_of("|u1", "(1048576,)")
    yield "more than is packed", handmade({"a.npy": (8, packed_zeros(1, few) + b"more", len(few) + (1 << 20))})
    yield "bomb in data.pkl", handmade({"a/data.pkl": (8, zeros, 3000 << 20)})
    head = npy_of("|u1", f"({100 << 20},)")
    many = {f"{index}.npy": (8, packed_zeros(100, head), len(head) + (100 << 20)) for index in range(20)}
    yield "bomb in many", handmade(many)
    plain = npy_of("|u1", "(1000000,)", bytes(1_000_000))
    yield "overlapping", handmade({f"{index}.npy": (0, plain, len(plain)) for index in range(2000)}, overlap=True)
    numbers = pickle.dumps({}, 2)
    good = torch_zip(whole(tensor((4,), (1,))), [bytes(16)])
    end = good.rfind(b"PK\5\6")
    for label, place, layout, value in [
        ("more entries", 10, "<H", 60_000),
        ("long entries", 10, "<H", 0xFFFF),
        ("directory too long", 12, "<I", 1 << 30),
        ("directory of no length", 12, "<I", 0),
        ("directory far off", 16, "<I", 1 << 31),
        ("long directory", 16, "<I", 0xFFFFFFFF),
        ("comment too long", 20, "<H", 9),
    ]:
        copy = bytearray(good)
        struct.pack_into(layout, copy, end + place, value)
        yield label, bytes(copy)
    first = good.find(b"PK\1\2")
    for label, place, layout, value in [
        ("encrypted", 8, "<H", 1),
        ("another method", 10, "<H", 99),
        ("other checksum", 16, "<I", 1),
        ("packed shorter", 20, "<I", 1),
        ("longer", 24, "<I", 1 << 30),
        ("long size without figure", 24, "<I", 0xFFFFFFFF),
        ("elsewhere", 42, "<I", 7),
        ("far off", 42, "<I", 1 << 31),
        ("long name", 28, "<H", 0xFFFF),
    ]:
        copy = bytearray(good)
        struct.pack_into(layout, copy, first + place, value)
        yield label, bytes(copy)
    yield (
        "two of one name",
        handmade({"a.npy": (0, plain, len(plain)), "b.npy": (0, plain, len(plain))}).replace(b"b.npy", b"a.npy"),
    )
    yield "two pickles", archive({"a/data.pkl": numbers, "b/data.pkl": numbers})
    yield "no file", archive({})
    yield "documents", archive({"word/document.xml": b"<a/>", "name\n\x1b[31m": b""})
    yield "half npz", archive({"a.npy": written(np.save, np.ones(3)), "b.txt": b"a"})
    yield "empty npz member", archive({"a.npy": b""})
    yield "pickle in npz", archive({"a.npy": numbers})
    yield "archive in npz", archive({"a.npy": good})
    yield "other order of bytes", torch_zip(whole(tensor((4,), (1,), count=-4)), [bytes(16)], **{"a/byteorder": b"big"})


def packed_zeros(megabytes, start=b""):
    """A deflate stream of that many zeros, a thousandth of their size, made in no time."""
    packing = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packing.compress(start) + packing.flush(zlib.Z_FULL_FLUSH)
    block = packing.compress(bytes(1 << 20)) + packing.flush(zlib.Z_FULL_FLUSH)
    return start + block * megabytes + packing.flush()


def handmade(members, *, overlap=False):
    """An archive whose figures are as given: name -> method, bytes, size told."""
    data, directory = b"", b""
    for member, (method, packed, size) in members.items():
        path = member.encode()
        head = struct.pack("<4sHHHIIIIHH", b"PK\3\4", 20, 0, method, 0, 0, len(packed), size, len(path), 0)
        offset = 0 if overlap else len(data)
        data = data or b"" if overlap and data else data + head + path + packed
        figures = (20, 20, 0, method, 0, 0, len(packed), size, len(path), 0, 0, 0, 0, 0, offset)
        directory += struct.pack("<4sHHHHIIIIHHHHHII", b"PK\1\2", *figures) + path
    ends = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(data), 0)
    return data + directory + ends


def bad_safetensors():
    good = {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    headers = {
        "huge shape": {"a": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 16]}},
        "negative shape": {"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}},
        "beyond": {"a": {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}},
        "backwards": {"a": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}},
        "overlap": good | {"b": good["a"]},
        "type": {"a": {"dtype": "OS", "shape": [4], "data_offsets": [0, 16]}},
        "no offsets": {"a": {"dtype": "F32", "shape": [4]}},
        "metadata": good | {"__metadata__": {"a": 1}},
    }
    for label, header in headers.items():
        packed = json.dumps(header).encode()
        yield label, struct.pack("<Q", len(packed)) + packed + bytes(16)
    deep = b'{"a":' * 100_000
    yield "deep", struct.pack("<Q", len(deep)) + deep + bytes(16)
    yield "long header", struct.pack("<Q", 1 << 40) + b"{}" + bytes(100)
    yield "many", struct.pack("<Q", 9 << 20) + b"{" + b" " * (10 << 20)


def foreign():
    yield "empty", b""
    yield "zeros", bytes(10_000)
    yield "noise", random.Random(0).randbytes(10_000)
    yield "page", b"<!DOCTYPE html><html><title>Quota exceeded</title>."
    yield "pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    yield "gzip", b"\x1f\x8b\x08" + bytes(100)
    yield "tar", b"pickle".ljust(257, b"\0") + b"ustar" + bytes(250)
    yield "png", b"\x89PNG\r\n\x1a\n" + bytes(100)
    yield "keras", b"\x89HDF\r\n\x1a\n" + bytes(100)
    yield "onnx", b"\x08\x07\x12\x07pytorch\x1a\x032.1" + bytes(100)
    yield "json", b'{"G_ema": {}}'
    yield "program", b"\x7fELF" + bytes(100)
    yield "words", b"Training failed at step 9."
    yield "words of a pickle", b"I am no pickle.\n."


def opcodes():
    for code in range(256):
        yield f"{code:02x}", whole(bytes([code]))
        yield f"{code:02x} on much", whole(b"NNN(NN" + bytes([code]) * 3 + b"\0" * 9)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Family -> file's label -> (digest of what was read, error), all read in one process; and the canary's path."""
    folder = tmp_path_factory.mktemp("hostile")
    canary = folder / "canary"
    good = dict(truncations())
    families = {
        "gadgets": gadgets(str(canary)),
        "code": other_code(str(canary)),
        "whole": good.items(),
        "cut": ((f"{kind} {len(part):06}", part) for kind, data in good.items() for part in cut(data)),
        "flipped": (
            (f"{kind}: {index}", part)
            for seed, (kind, data) in enumerate(good.items())
            for index, part in enumerate(flipped(data, seed))
        ),
        "bombs": bombs(),
        "memoized": memoized(),
        "tensors": bad_tensors(),
        "arrays": bad_arrays(),
        "archives": bad_archives(),
        "safetensors": bad_safetensors(),
        "foreign": foreign(),
        "opcodes": opcodes(),
        "sources": [("snapshot", snapshot(f"open({str(canary)!r}, 'w')"))],
    }
    labels = []
    files = folder / "files"
    files.mkdir()
    for family, members in families.items():
        for label, data in members:
            (files / f"{len(labels):05}").write_bytes(data)
            labels.append((family, label))
    done = subprocess.run(
        [sys.executable, "-c", READER, str(files)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    found = {}
    for line in done.stdout.splitlines():
        number, digest, error = json.loads(line)
        family, label = labels[int(number)]
        found.setdefault(family, {})[label] = (digest, error)
    count = sum(map(len, found.values()))
    after = labels[count] if count < len(labels) else "nothing"
    assert count == len(labels) and done.returncode == 0, f"{after} ended the reader ({done.returncode}): {done.stderr}"
    assert not canary.exists(), "a file was run"
    return found


def test_the_corpus_would_do_harm_elsewhere(tmp_path):
    for style in ("reduce 0", "reduce 2", "reduce 4", "instance 0", "object 1"):
        canary = tmp_path / style
        pickle.loads(STYLES[style]("os", "mkdir", (str(canary),)))
        assert canary.is_dir()


def test_the_corpus_is_large_and_nothing_in_it_runs(verdicts):
    assert sum(map(len, verdicts.values())) > 3000


def test_every_error_is_one_short_line_that_names_the_file(verdicts):
    for family, members in verdicts.items():
        for label, (_, error) in members.items():
            if error is not None:
                assert error.startswith("FILE: ") and error.isprintable() and len(error) < 300, (family, label, error)


def test_what_asks_for_code_is_refused_by_its_name(verdicts):
    for label, (_, error) in verdicts["gadgets"].items():
        module, attribute, _ = GADGETS[int(label[:3])]
        asked = re.sub(r"[^ -~]", "?", f"{module}.{attribute}"[:100])
        assert error == f"FILE: refused: it asks for {asked}, which no checkpoint needs", (label, error)


@pytest.mark.parametrize(
    "family", ["code", "cut", "bombs", "memoized", "tensors", "arrays", "archives", "safetensors", "foreign"]
)
def test_none_of_a_family_is_read(verdicts, family):
    assert not [label for label, (digest, _) in verdicts[family].items() if digest]


def test_what_is_whole_is_read_and_its_source_is_not_run(verdicts):
    assert all(digest for digest, _ in [*verdicts["whole"].values(), *verdicts["sources"].values()])


def test_where_there_is_a_checksum_no_flipped_bit_passes(verdicts):
    for label, (digest, _) in verdicts["flipped"].items():
        kind = label.split(":")[0]
        if digest and kind in ("archive", "npz", "packed npz"):
            assert digest == verdicts["whole"][kind][0], label


def test_a_page_in_place_of_a_file_is_told(verdicts):
    expected = "expected safetensors, .pt, .pkl, .npy or .npz"
    assert verdicts["foreign"]["page"][1] == f"FILE: a web page, so the download probably failed; {expected}"
    assert "Git LFS pointer" in verdicts["foreign"]["pointer"][1]
    assert "HDF5" in verdicts["foreign"]["keras"][1] and "ONNX" in verdicts["foreign"]["onnx"][1]
    assert "TorchScript" in verdicts["code"]["script"][1]


def test_arrays_of_a_network_are_not_taken_for_codes():
    square, row = torch.zeros(3, 3), torch.zeros(10, 64)
    for tree in ({"foo": square}, {"fc.weight": row}, {"fc.weight": row, "fc.bias": row[0]}, {"a": square}, [square]):
        assert not holds_codes(tree)
    for tree in (square, {"w": square}, {"foo": row}, {"a.png": row}, {"a.png": [row]}, [row]):
        assert holds_codes(tree)


def test_what_is_no_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, reason in [
        (tmp_path, "a folder"),
        (tmp_path / "none.pt", "no such file"),
        (tmp_path / "pipe", "no regular"),
    ]:
        with pytest.raises(GeneratorError, match=reason):
            read_tree(path, error=GeneratorError)
