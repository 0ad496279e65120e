"""Latent files of other programs: read as they were meant, refused in one line, and written back."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from wplus.core import Latent, LatentError, OutputError
from wplus.models.checkpoints.latents import codes_in, holds_codes, load_latent, read_codes, shape_codes, write_codes

DIM = 512


def codes(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal((*shape, DIM)).astype(np.float32)


def maps(count=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, 1, side, side, generator=generator) for side in (4, 8, 8, 16, 16)]


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 400
    return text


# --- layouts, as their programs write them


def test_a_projection_of_nvidia_is_read(tmp_path):
    w = codes(1, 18)
    np.savez(tmp_path / "projected_w.npz", w=w)
    reading = read_codes(tmp_path / "projected_w.npz")
    assert (reading.layout, reading.kind, reading.names) == ("nvidia", "w+", ())
    assert np.array_equal(reading.latent.ws.numpy(), w)
    latent = load_latent(tmp_path / "projected_w.npz")
    assert latent.origin is None
    assert latent.noise is None
    assert torch.equal(latent.ws, reading.latent.ws)


def test_a_projection_to_w_is_taken_for_w_though_its_rows_are_repeated(tmp_path):
    np.savez(tmp_path / "projected_w.npz", w=codes(1, 1).repeat(18, axis=1))
    reading = read_codes(tmp_path / "projected_w.npz")
    assert reading.kind == "w"
    assert reading.latent.ws.shape == (1, 18, DIM)


@pytest.mark.parametrize("shape", [(), (18,)])
def test_projections_of_rosinality_are_read_with_their_noise_and_names(tmp_path, shape):
    entries = {
        f"face {index}.png": {
            "img": torch.zeros(3, 16, 16),
            "latent": torch.from_numpy(codes(*shape, seed=index)).requires_grad_(True),
            "noise": [item.requires_grad_(True) for item in maps(seed=index)],
        }
        for index in range(3)
    }
    torch.save(entries, tmp_path / "projected.pt")
    reading = read_codes(tmp_path / "projected.pt")
    assert reading.names == tuple(entries)
    assert (reading.layout, reading.kind) == ("rosinality", "w+" if shape else "w")
    assert reading.latent.ws.shape == (3, shape[0] if shape else 1, DIM)
    assert not reading.latent.ws.requires_grad
    for index, entry in enumerate(entries.values()):
        assert torch.equal(reading.latent.ws[index], entry["latent"].detach().reshape(-1, DIM))
        for ours, theirs in zip(reading.latent.noise, entry["noise"], strict=True):
            assert torch.equal(ours[index : index + 1], theirs.detach())
            assert not ours.requires_grad


def test_a_projection_of_rosinality_without_names_is_read(tmp_path):
    torch.save({"img": torch.zeros(3, 16, 16), "latent": torch.zeros(18, DIM), "noise": maps()}, tmp_path / "a.pt")
    latent = load_latent(tmp_path / "a.pt")
    assert latent.ws.shape == (1, 18, DIM)
    assert len(latent.noise) == 5


def test_latents_of_e4e_and_pivots_of_pti_are_read(tmp_path):
    for name, shape in (("latents.pt", (5, 18)), ("0.pt", (1, 18))):
        theirs = torch.from_numpy(codes(*shape))
        torch.save(theirs, tmp_path / name)
        assert torch.equal(load_latent(tmp_path / name).ws, theirs)


def test_the_last_step_of_a_restyle_dictionary_counts(tmp_path):
    steps = {f"{index}.jpg": [codes(18, seed=10 * index + step) for step in range(5)] for index in range(2)}
    np.save(tmp_path / "latents.npy", steps)
    reading = read_codes(tmp_path / "latents.npy")
    assert (reading.layout, reading.kind, reading.names, reading.steps) == ("restyle", "w+", ("0.jpg", "1.jpg"), 5)
    assert np.array_equal(reading.latent.ws.numpy(), np.stack([steps["0.jpg"][-1], steps["1.jpg"][-1]]))
    np.save(tmp_path / "stacked.npy", {name: np.stack(items) for name, items in steps.items()})
    assert torch.equal(load_latent(tmp_path / "stacked.npy").ws, reading.latent.ws)
    assert reading.describe() == {
        "layout": "restyle",
        "taken for": "W+",
        "codes": 2,
        "layers": 18,
        "w_dim": DIM,
        "noise maps": 0,
        "names": ["0.jpg", "1.jpg"],
        "steps": "the last of 5",
    }


def test_a_code_of_puzer_and_pbaylies_is_read(tmp_path):
    theirs = codes(18)
    np.save(tmp_path / "donald_01.npy", theirs)
    reading = read_codes(tmp_path / "donald_01.npy")
    assert reading.kind == "w+"
    assert np.array_equal(reading.latent.ws[0].numpy(), theirs)


def test_a_list_of_codes_and_an_array_of_another_name_are_read(tmp_path):
    torch.save([torch.zeros(1, 18, DIM), torch.ones(1, 18, DIM)], tmp_path / "list.pt")
    assert load_latent(tmp_path / "list.pt").ws[:, 0, 0].tolist() == [0, 1]
    np.savez(tmp_path / "a.npz", embedding=codes(3, 18))
    assert len(load_latent(tmp_path / "a.npz")) == 3


# --- shapes


@pytest.mark.parametrize(
    ("shape", "kind", "expected", "found"),
    [
        ((), None, (1, 1), "w"),
        ((1,), None, (1, 1), "w"),
        ((18,), None, (1, 18), "w+"),
        ((18,), "w", (18, 1), "w"),
        ((14,), "w", (14, 1), "w"),
        ((14,), "w+", (1, 14), "w+"),
        ((16,), "w+", (1, 16), "w+"),
        ((5,), None, (5, 1), "w"),
        ((1000,), None, (1000, 1), "w"),
        ((1, 18), None, (1, 18), "w+"),
        ((1, 14), None, (1, 14), "w+"),
        ((7, 18), None, (7, 18), "w+"),
        ((18, 18), None, (18, 18), "w+"),
        ((3, 1), None, (3, 1), "w"),
    ],
)
def test_shapes_are_told_apart(shape, kind, expected, found):
    ws, space = shape_codes(torch.from_numpy(codes(*shape)), kind=kind)
    assert tuple(ws.shape) == (*expected, DIM)
    assert space == found
    assert np.array_equal(ws.numpy().ravel(), codes(*shape).ravel())


@pytest.mark.parametrize("count", [6, 8, 10, 12, 14, 16])
def test_what_can_be_rows_or_codes_is_asked_for(tmp_path, count):
    path = tmp_path / "a.npy"
    np.save(path, codes(count))
    with pytest.raises(LatentError) as error:
        load_latent(path)
    assert one_line(error) == (
        f"{path}: shape ({count}, 512) is {count} codes of W, or one code of W+ with {count} rows;"
        " say which by --as w or --as w+ of wplus convert"
    )
    assert load_latent(path, kind="w").ws.shape == (count, 1, DIM)
    assert load_latent(path, kind="w+").ws.shape == (1, count, DIM)


def test_a_space_that_the_codes_contradict_is_refused():
    with pytest.raises(LatentError, match=r"shape \(1, 18, 512\) has rows that differ: codes of W\+, not of W"):
        shape_codes(torch.from_numpy(codes(1, 18)), kind="w")
    with pytest.raises(LatentError, match=r"shape \(512,\) has one row a code: codes of W, not of W\+"):
        shape_codes(torch.from_numpy(codes()), kind="w+")


# --- what is refused


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 18, 512), np.float32), "the codes have shape (0, 18, 512)"),
        (np.zeros((), np.float32), "the codes have shape ()"),
        (np.zeros((1, 1, 18, 512), np.float32), "the codes have shape (1, 1, 18, 512)"),
        (np.zeros((1, 18, 512), np.int64), "the codes are torch.int64"),
        (np.zeros((1, 18, 512), bool), "the codes are torch.bool"),
        (np.zeros((1, 18, 512), np.complex64), "the codes are torch.complex64"),
        (np.full((1, 18, 512), np.nan, np.float32), "codes hold values that are not finite"),
        (np.full(512, np.nan, np.float32), "codes hold values that are not finite"),
        (np.full((1, 18, 512), 1e300), "codes hold values that are not finite"),
        (np.zeros((3, 64, 64), np.float32), "shape (3, 64, 64) is no latent's: 64 layers of 64 numbers"),
        (np.zeros((2, 100, 512), np.float32), "shape (2, 100, 512) is no latent's: 100 layers of 512 numbers"),
        (np.zeros((512, 1), np.float32), "shape (512, 1) is no latent's: 1 layers of 1 numbers"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt"])
def test_arrays_that_are_no_codes_are_refused_in_one_line(tmp_path, array, message, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    elif suffix == ".npz":
        np.savez(path, w=array)
    else:
        torch.save(torch.from_numpy(array), path)
    with pytest.raises(LatentError) as error:
        load_latent(path)
    assert one_line(error).startswith(f"{path}: {message}")


def code():
    return torch.zeros(18, DIM)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "no latent: it holds an empty dictionary"),
        ([], "no latent: it holds a list"),
        ("text", "no latent: it holds a str"),
        (None, "no latent: it holds a NoneType"),
        ({"z": torch.zeros(1, 512)}, "it holds codes of Z"),
        ({"w": code(), "ws": code()}, "no latent: it holds 2 entries ('w', 'ws')"),
        ({"g_ema": {"conv.weight": torch.zeros(3, 3)}}, "no latent: it holds 1 entries ('g_ema')"),
        ({str(index): index for index in range(9)}, "no latent: it holds 9 entries ('0', '1', '2', '3', ...)"),
        ({"a.png": [code()], "b.png": [torch.zeros(14, DIM)]}, "latents of different shapes: 18 layers of 512 and 14"),
        ({"a.png": {"latent": code(), "noise": maps()}, "b.png": {"latent": code()}}, "one latent carries noise maps"),
        ({"a.png": {"latent": [1.0, 2.0]}}, "'a.png': its latent is a list, expected an array"),
        ({"a.png": {"latent": code(), "noise": 5}}, "'a.png': its noise is a int, expected a list of maps"),
        ({"latent": code(), "noise": [torch.zeros(4)]}, "a noise map has shape (4,), expected (1, 1, height, width)"),
        ({"latent": code(), "noise": [torch.zeros(2, 1, 4, 4)]}, "a noise map has shape (2, 1, 4, 4), expected (1, 1,"),
        ({"latent": code(), "noise": [torch.zeros(1, 1, 4, 4, dtype=torch.int8)]}, "noise maps are torch.int8"),
        ({"w": torch.zeros(2, 18, DIM), "noise.00": torch.zeros(1, 1, 4, 4)}, "a noise map has shape (1, 1, 4, 4)"),
        ({"evil\nname" * 50: [torch.zeros(18, DIM, dtype=torch.int8)]}, "'evil\\nname"),
        ({5: [torch.full((18, DIM), float("inf"))]}, "'5': codes hold values that are not finite"),
    ],
)
def test_trees_that_are_no_latents_are_refused_in_one_line(tree, message):
    with pytest.raises(LatentError) as error:
        codes_in(tree)
    assert one_line(error).startswith(message)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.pt"])
def test_truncated_files_are_refused_in_one_line(tmp_path, name):
    path = tmp_path / name
    write_codes(path, Latent(torch.from_numpy(codes(1, 18))))
    data = path.read_bytes()
    for length in range(0, len(data), len(data) // 23):
        path.write_bytes(data[:length])
        with pytest.raises(LatentError) as error:
            load_latent(path)
        assert name in one_line(error)


def test_a_dictionary_that_asks_for_code_is_refused_and_runs_none(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    np.save(tmp_path / "a.npy", {"a.png": Trap()})
    with pytest.raises(LatentError) as error:
        load_latent(tmp_path / "a.npy")
    assert "a.npy" in one_line(error)
    assert not (tmp_path / "canary").exists()


def test_an_array_that_unfolds_without_end_is_refused_before_it_does(tmp_path):
    torch.save(torch.zeros(1, 1, DIM).expand(1 << 30, 18, DIM), tmp_path / "a.pt")
    torch.save({"latent": code(), "noise": [torch.zeros(1, 1, 1, 1).expand(1, 1, 1 << 20, 1 << 20)]}, tmp_path / "b.pt")
    for name in ("a.pt", "b.pt"):
        assert (tmp_path / name).stat().st_size < 100_000
        with pytest.raises(LatentError, match="unfolds to far more memory"):
            load_latent(tmp_path / name)
    torch.save(torch.zeros(1, 1, DIM).expand(1, 18, DIM), tmp_path / "w.pt")
    assert load_latent(tmp_path / "w.pt").ws.shape == (1, 18, DIM)


def test_files_of_ours_are_not_taken_for_pickles_whatever_their_headers_length(tmp_path):
    from wplus.core import Origin

    for length in range(0, 600, 5):  # among them headers of 0x280 and 0x380 bytes, which begin as pickles do
        origin = Origin("x" * length, "0" * 16, 16)
        Latent(torch.zeros(1, 6, 16), origin=origin).save(tmp_path / "a.safetensors")
        assert load_latent(tmp_path / "a.safetensors").origin == origin


def test_latents_are_told_from_networks_without_reading_them():
    assert holds_codes(torch.zeros(3))
    assert holds_codes({"a.png": {"latent": 5}})
    assert not holds_codes({"g_ema": {"a": torch.zeros(3)}, "latent_avg": torch.zeros(DIM)})
    assert not holds_codes({"b4.weight": torch.zeros(3, 3, 3, 3)})


# --- writing


@pytest.mark.parametrize(
    ("name", "layout"),
    [("a.npz", "nvidia"), ("a.npy", "plain"), ("a.pt", "plain"), ("a.pt", "rosinality"), ("a.npy", "restyle")],
)
@pytest.mark.parametrize("rows", [1, 14, 18])
def test_what_is_written_is_read_back_exactly(tmp_path, name, layout, rows):
    latent = Latent(torch.from_numpy(codes(3, rows)))
    write_codes(tmp_path / name, latent, layout=layout)
    reading = read_codes(tmp_path / name)
    assert reading.layout == layout
    assert reading.kind == ("w" if rows == 1 else "w+")
    assert torch.equal(reading.latent.ws, latent.ws)
    assert reading.latent.noise is None
    assert reading.names == (("a-0", "a-1", "a-2") if layout in ("rosinality", "restyle") else ())


@pytest.mark.parametrize(("name", "layout"), [("a.npz", "nvidia"), ("a.pt", "rosinality")])
def test_noise_is_written_and_read_back_exactly(tmp_path, name, layout):
    latent = Latent(torch.from_numpy(codes(2, 18)), tuple(maps(2)))
    write_codes(tmp_path / name, latent, layout=layout, names=["x.png", "y.png"] if layout == "rosinality" else ())
    reading = read_codes(tmp_path / name)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(reading.latent.noise, latent.noise, strict=True))
    assert reading.names == (("x.png", "y.png") if layout == "rosinality" else ())


def test_what_is_written_has_the_shapes_that_others_look_for(tmp_path):
    latent = Latent(torch.from_numpy(codes(1, 18)), tuple(maps()))
    bare = Latent(latent.ws)
    write_codes(tmp_path / "a.npz", latent)
    with np.load(tmp_path / "a.npz") as file:
        assert file["w"].shape == (1, 18, DIM)
        assert file["w"].dtype == np.float32
    write_codes(tmp_path / "a.npy", bare, layout="puzer")
    assert np.load(tmp_path / "a.npy").shape == (18, DIM)
    write_codes(tmp_path / "a.pt", bare)
    assert torch.load(tmp_path / "a.pt", weights_only=True).shape == (1, 18, DIM)
    write_codes(tmp_path / "r.pt", latent, layout="rosinality", names=["x.png"], pictures=torch.zeros(1, 3, 16, 16))
    entry = torch.load(tmp_path / "r.pt", weights_only=True)["x.png"]
    assert entry["latent"].shape == (18, DIM)
    assert [item.shape for item in entry["noise"]] == [item.shape for item in maps()]
    assert entry["img"].shape == (3, 16, 16)
    write_codes(tmp_path / "s.npy", bare, layout="restyle", names=["x.png"])
    theirs = np.load(tmp_path / "s.npy", allow_pickle=True).item()
    assert np.array_equal(theirs["x.png"][-1], latent.ws[0].numpy())


def test_what_a_layout_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    noisy = Latent(torch.zeros(1, 18, DIM), tuple(maps()))
    two = Latent(torch.zeros(2, 18, DIM))
    for name, latent, options, error, message in [
        (
            "a.npy",
            noisy,
            {},
            LatentError,
            "layout plain has no room for the latent's noise maps; nvidia and rosinality",
        ),
        ("a.npy", two, {"layout": "puzer"}, LatentError, "layout puzer holds one code, the latent has 2"),
        ("a.pt", two, {"layout": "nvidia"}, OutputError, "latents of layout nvidia are .npz files"),
        ("a.png", two, {}, OutputError, "latents of layout plain are .npy or .pt files"),
        ("a.pt", two, {"layout": "rosinality", "names": ["a", "a"]}, LatentError, "2 codes need as many different"),
    ]:
        with pytest.raises(error, match=message):
            write_codes(tmp_path / name, latent, **options)
    assert list(tmp_path.iterdir()) == []


# --- wplus convert


def convert(*args, **options):
    from wplus.cli.convert_latent import convert_latents

    return convert_latents(*args, **options)


def test_codes_of_a_stranger_become_those_of_a_generator(tmp_path, mini):
    w = torch.randn(2, 1, 16)
    np.savez(tmp_path / "w.npz", w=w.numpy())
    convert(tmp_path / "w.npz", tmp_path / "w.safetensors", generator=mini)
    latent = load_latent(tmp_path / "w.safetensors")
    assert torch.equal(latent.ws, w.expand(-1, 6, -1))
    assert latent.origin == mini.origin()
    mini(latent)
    np.savez(tmp_path / "big.npz", w=codes(1, 18))
    with pytest.raises(LatentError, match="the latent has 18 layers of 512, generator mini has 6 of 16"):
        convert(tmp_path / "big.npz", tmp_path / "b.safetensors", generator=mini)


def test_names_travel_through_ours_to_rosinality_and_pictures_are_rendered(tmp_path, mini):
    theirs = OrderedDict((name, [np.full((6, 16), index, np.float32)]) for index, name in enumerate(("b.jpg", "a.jpg")))
    np.save(tmp_path / "latents.npy", dict(theirs))
    convert(tmp_path / "latents.npy", tmp_path / "ours.safetensors", generator=mini)
    assert load_latent(tmp_path / "ours.safetensors").origin.settings == {"names": ["b.jpg", "a.jpg"]}
    convert(tmp_path / "ours.safetensors", tmp_path / "ros.pt", layout="rosinality", generator=mini)
    entries = torch.load(tmp_path / "ros.pt", weights_only=True)
    assert list(entries) == ["b.jpg", "a.jpg"]
    assert torch.equal(entries["a.jpg"]["img"], mini(torch.ones(1, 6, 16))[0])


def test_a_folder_gets_one_file_a_code_under_its_name_and_none_outside(tmp_path):
    evil = {"../../up.png": [codes(18)], "/etc/passwd": [codes(18)], "..": [codes(18)], "a\\b.jpg": [codes(18)]}
    np.save(tmp_path / "latents.npy", evil)
    written = convert(tmp_path / "latents.npy", tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        "up.safetensors",
        "passwd.safetensors",
        "code.safetensors",
        "b.safetensors",
    ]
    assert all(load_latent(path).ws.shape == (1, 18, DIM) for path in written)
    np.save(tmp_path / "same.npy", {"a.png": [codes(18)], "a.jpg": [codes(18)]})
    with pytest.raises(LatentError, match="two of its codes would be one file"):
        convert(tmp_path / "same.npy", tmp_path / "out")


def test_rows_change_only_when_asked_and_never_with_noise(tmp_path, mini):
    torch.save(torch.randn(1, 10, 16), tmp_path / "a.pt")
    convert(tmp_path / "a.pt", tmp_path / "a.safetensors", generator=mini, rows=6)
    assert load_latent(tmp_path / "a.safetensors").ws.shape == (1, 6, 16)
    convert(tmp_path / "a.pt", tmp_path / "b.pt", rows=14)
    assert load_latent(tmp_path / "b.pt").ws.shape == (1, 14, 16)
    write_codes(tmp_path / "n.npz", Latent(torch.randn(1, 10, 16), tuple(maps())))
    with pytest.raises(LatentError, match="noise maps belong to a generator of its own size"):
        convert(tmp_path / "n.npz", tmp_path / "n.safetensors", rows=6)
