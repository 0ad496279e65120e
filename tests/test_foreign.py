"""Foreign files come as what was put in, whatever holds them."""

import io
import pickle
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import PurePosixPath

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from wplus.core.errors import GeneratorError, LatentError
from wplus.models.checkpoints.foreign import Thing, read_tree

SNAPSHOTS = ["sg2ada_mini_16", "sg2ada_skip_32", "sg3_r_32", "sg3_t_32", "sg3repo_sg2_32"]


def read(path):
    return read_tree(path, error=GeneratorError)


def same(found, expected):
    """Whether a tree holds what was put in: arrays as tensors, bags as dicts, sets as lists."""
    if isinstance(expected, np.ndarray) and expected.dtype.kind in "OSU":
        return found == expected.tolist()
    if isinstance(expected, np.ndarray):
        expected = torch.from_numpy(np.ascontiguousarray(expected)).reshape(expected.shape)
    if isinstance(expected, Tensor):
        return isinstance(found, Tensor) and found.dtype == expected.dtype and torch.equal(found, expected.detach())
    if isinstance(expected, Namespace):
        expected = vars(expected)
    if isinstance(expected, dict):
        return (
            type(found) is dict and list(found) == list(expected) and all(map(same, found.values(), expected.values()))
        )
    if isinstance(expected, list | tuple):
        return type(found) is type(expected) and len(found) == len(expected) and all(map(same, found, expected))
    return type(found) is type(expected) and found == expected


def tensors():
    """Tensors of every kind, among them views of one storage, a scalar, nothing, and what is not contiguous."""
    table = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    kinds = (
        torch.float16,
        torch.bfloat16,
        torch.float64,
        torch.int64,
        torch.int8,
        torch.uint8,
        torch.bool,
        torch.complex64,
    )
    return OrderedDict(
        {str(kind): (table * 10).to(kind) for kind in kinds},
        table=table,
        row=table[2],
        turned=table.T,
        spread=torch.ones(1, 1, 4).expand(1, 3, 4),
        scalar=torch.tensor(3.5),
        nothing=torch.empty(0, 4),
        parameter=torch.nn.Parameter(table[:2].clone()),
    )


def plain():
    """Values of every kind that configurations are made of."""
    return {
        "numbers": [0, 1, -1, 255, 256, 65536, -(2**31), 2**40, -(2**70), 0.1, float("inf"), True, False, None],
        "texts": ["", "a", "ü", "日本", "😀", "line\nbreak\\", "x" * 70_000],
        "bytes": [b"", b"abc", b"\0\xff" * 5000],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "opts": Namespace(size=1024, exp_dir="a/b", inner=Namespace(rate=1e-3)),
        3: {None: 1, True: 2, 0.5: 3, b"k": 4},
    }


def arrays():
    """NumPy's arrays and numbers."""
    table = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    codes = ("<f2", "<f4", "<f8", ">f4", ">i2", "<i8", "|u1", "|b1", "<c8", ">c16")
    return {code: table.astype(code) for code in codes} | {
        "columns": np.asfortranarray(table),
        "scalar": np.array(2.5),
        "nothing": np.zeros((0, 3)),
        "text": np.array(["mapping", "b"]),
        "bytes": np.array([b"abc", b"d"]),
    }


def as_native(tree):
    """The arrays in this machine's order of bytes, as torch has no other."""
    return {name: item.astype(item.dtype.newbyteorder("=")) for name, item in tree.items()}


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_what_torch_saves_comes_back(tmp_path, new):
    tree = {"g_ema": tensors(), "latent_avg": torch.ones(8), **plain()}
    torch.save(tree, tmp_path / "file", _use_new_zipfile_serialization=new)
    assert same(read(tmp_path / "file"), tree)


@pytest.mark.parametrize("protocol", range(6))
def test_what_pickle_saves_comes_back(tmp_path, protocol):
    tree = {"tensors": tensors(), "arrays": arrays(), **plain()}
    (tmp_path / "file").write_bytes(pickle.dumps(tree, protocol))
    assert same(read(tmp_path / "file"), tree | {"arrays": as_native(arrays())})


@pytest.mark.parametrize("protocol", range(6))
def test_what_has_no_plain_counterpart_comes_as_the_nearest(tmp_path, protocol):
    tree = [{1, 2}, frozenset({3}), np.float32(0.5), np.int64(7), np.bool_(True), torch.Size([1, 2]), torch.float16]
    tree += [torch.device("cuda:1"), bytearray(b"abc"), PurePosixPath("/a/b"), np.array([{"a": 1}, None], dtype=object)]
    (tmp_path / "file").write_bytes(pickle.dumps(tree, protocol))
    found = read(tmp_path / "file")
    expected = [[1, 2], [3], 0.5, 7, True, (1, 2), "torch.float16", "cuda:1", b"abc", "/a/b", [{"a": 1}, None]]
    assert [sorted(found[0]), *found[1:]] == expected


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves_comes_back(tmp_path, save):
    with (tmp_path / "file").open("wb") as file:
        save(file, **arrays())
    assert same(read(tmp_path / "file"), as_native(arrays()))


@pytest.mark.parametrize("name", arrays())
def test_a_single_array_comes_back(tmp_path, name):
    with (tmp_path / "file").open("wb") as file:
        np.save(file, arrays()[name])
    assert same(read(tmp_path / "file"), as_native(arrays())[name])


def test_an_array_that_is_a_dictionary_comes_as_one(tmp_path):
    latents = {"a.png": {0: np.ones((18, 512), np.float32)}}
    np.save(tmp_path / "file.npy", latents)
    assert same(read(tmp_path / "file.npy"), latents)


def test_safetensors_come_back_with_their_metadata(tmp_path):
    weights = {name: tensor.detach().contiguous().clone() for name, tensor in tensors().items()}
    save_file(weights, tmp_path / "file")
    assert read(tmp_path / "file").keys() == weights.keys()
    save_file(weights, tmp_path / "file", metadata={"a": "b"})
    found = read(tmp_path / "file")
    assert found.pop("__metadata__") == {"a": "b"}
    assert all(same(found[name], tensor) for name, tensor in weights.items())


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_tensors_that_share_memory_still_do(tmp_path, new):
    table = torch.randn(6, 8)
    torch.save(
        {"table": table, "row": table[2], "turned": table.T}, tmp_path / "file", _use_new_zipfile_serialization=new
    )
    found = read(tmp_path / "file")
    found["table"].zero_()
    assert not found["row"].any() and not found["turned"].any()


def test_a_state_dict_keeps_its_order_and_loses_its_metadata(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    torch.save(network.state_dict(), tmp_path / "file")
    assert same(read(tmp_path / "file"), dict(network.state_dict()))


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_a_whole_module_comes_as_its_attributes(tmp_path, new):
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LeakyReLU(0.2))
    torch.save(network, tmp_path / "file", _use_new_zipfile_serialization=new)
    found = read(tmp_path / "file")
    assert isinstance(found, Thing) and found.name == "Sequential"
    linear, activation = found.state["_modules"].values()
    assert same(linear.state["_parameters"], dict(network[0].named_parameters()))
    assert (activation.name, activation.state["negative_slope"]) == ("LeakyReLU", 0.2)


def test_text_of_python_2_is_read_a_byte_a_character(tmp_path):
    array = np.arange(3, dtype=np.float32)
    state = b"(I1\n(I3\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
    data = "".join(f"\\x{byte:02x}" for byte in array.tobytes()).encode()
    start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    (tmp_path / "file").write_bytes(start + state + b"S'" + data + b"'\ntb.")
    assert same(read(tmp_path / "file"), array)
    (tmp_path / "file").write_bytes(
        b"\x80\x02]U\x02\xe9aaccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject\nNtRa."
    )
    assert read(tmp_path / "file") == ["éa", {}]


def tensorflow_network():
    """What StyleGAN's TensorFlow code pickles of a network, with opcodes of protocol 2."""
    state = {
        "version": 4,
        "name": "Gs",
        "static_kwargs": {"resolution": 1024, "truncation_psi": None},
        "build_module_src": "raise SystemExit",
        "variables": [("synthesis/4x4/Const/const", np.ones((1, 8, 4, 4), np.float32)), ("lod", np.float32(0))],
    }
    return b"cdnnlib.tflib.network\nNetwork\n)\x81" + pickle.dumps(state, 2)[2:-1] + b"b"


def test_networks_of_tensorflow_come_without_their_source(tmp_path):
    (tmp_path / "file").write_bytes(b"\x80\x02NN" + tensorflow_network() + b"\x87.")
    found = read(tmp_path / "file")[2]
    assert isinstance(found, Thing) and found.name == "Network"
    assert set(found.state) == {"version", "name", "static_kwargs", "variables"}
    assert same(found.state["variables"][0], ("synthesis/4x4/Const/const", np.ones((1, 8, 4, 4), np.float32)))


def test_numbers_of_machines_with_the_other_order_of_bytes_are_turned(tmp_path):
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(4.0), "b": torch.arange(3)}, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(tmp_path / "file", "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member.endswith("/data/0"):
                content = np.frombuffer(content, "<f4").astype(">f4").tobytes()
            elif member.endswith("/data/1"):
                content = np.frombuffer(content, "<i8").astype(">i8").tobytes()
            elif member.endswith("byteorder"):
                content = b"big"
            new.writestr(member, content)
    assert same(read(tmp_path / "file"), {"a": torch.arange(4.0), "b": torch.arange(3)})


def test_bytes_that_are_no_truth_values_become_true(tmp_path):
    data = pickle.dumps(np.array([2, 0, 255], np.uint8), 4).replace(b"u1", b"b1")
    (tmp_path / "file").write_bytes(data)
    assert same(read(tmp_path / "file"), torch.tensor([True, False, True]))


def test_a_file_without_checksums_is_read(tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(tensors(), tmp_path / "file")
    finally:
        torch.serialization.set_crc32_options(before)
    assert same(read(tmp_path / "file"), tensors())


def test_reading_costs_the_memory_of_the_file_once(tmp_path):
    weights = {f"{index}": torch.zeros(1000) for index in range(50)}
    torch.save(weights, tmp_path / "file")
    found = read(tmp_path / "file")
    assert sum(tensor.untyped_storage().nbytes() for tensor in found.values()) == 50 * 4000
    (tmp_path / "pickle").write_bytes(pickle.dumps(weights, 4))
    found = read(tmp_path / "pickle")
    assert sum(tensor.untyped_storage().nbytes() for tensor in found.values()) == 50 * 4000


def test_the_error_is_of_the_class_asked_for(tmp_path):
    (tmp_path / "file").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(LatentError, match=r"file: refused: it asks for os\.system, which no checkpoint needs$"):
        read_tree(tmp_path / "file", error=LatentError)


def module_tensors(thing, prefix=""):
    """A module's parameters and buffers by dotted name."""
    for kind in ("_parameters", "_buffers"):
        yield from ((prefix + name, value) for name, value in thing.state[kind].items() if value is not None)
    for name, child in thing.state["_modules"].items():
        yield from module_tensors(child, f"{prefix}{name}.")


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_of_nvidia_holds_the_golden_weights(shared, name):
    snapshot = read(shared / "golden" / f"{name}.nosrc.pkl")
    with np.load(shared / "golden" / f"{name}.npz") as file:
        kept = [key for key in file.files if key.startswith(("param/", "buffer/"))]
        golden = {key.split("/", 1)[1]: file[key] for key in kept}
    generator = snapshot["G_ema"]
    assert generator.name == "Generator" and "module_src" not in generator.state
    found = dict(module_tensors(generator))
    assert found.keys() == golden.keys()
    assert all(same(found[key], value) for key, value in golden.items())


@pytest.mark.parametrize("name", ["ros_32.pt", "sg1_32.pt"])
def test_golden_checkpoints_are_what_torch_reads(shared, name):
    path = shared / "golden" / name
    assert same(read(path), torch.load(path, weights_only=True))


@pytest.mark.parametrize("archive", [True, False])
def test_what_is_left_out_stays_in_the_file(tmp_path, archive):
    shared, alone = torch.randn(1000), torch.full((5000,), 7.0)
    tree = {"g": {"a": shared, "b": alone}, "g_ema": [{"a": shared[:10]}, (shared[5:].view(5, 199),)], "step": 3}
    torch.save(tree, tmp_path / "file", _use_new_zipfile_serialization=archive)
    data = (tmp_path / "file").read_bytes()
    seven = alone.numpy().tobytes()
    assert data.count(seven) == 1
    (tmp_path / "file").write_bytes(data.replace(seven, bytes(len(seven))))  # no checksum of it is right any more
    found = read_tree(tmp_path / "file", error=GeneratorError, unread=lambda names: ["g", "d"])
    assert same(found, {"g_ema": tree["g_ema"], "step": 3})
    if archive:
        with pytest.raises(GeneratorError, match="differs from its checksum"):
            read(tmp_path / "file")
