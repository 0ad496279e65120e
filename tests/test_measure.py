"""wplus measure: what it compares, what it says, and what it refuses."""

import csv
import json

import pytest
import torch
from skimage import data

from wplus.alignment import align
from wplus.cli import measuring
from wplus.core import Latent, WplusError
from wplus.core.images import from_bytes, write_picture
from wplus.inversion import invert
from wplus.metrics import OFFLINE, mse
from wplus.models import Card, Generator, StyleMapGAN, StyleMapGANConfig, load_generator
from wplus.optimisation import Settings
from wplus.pipelines.pairs import items, matched


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A photograph, its code after a few steps, and made-up faces."""
    folder = tmp_path_factory.mktemp("measure")
    generator = load_generator("faces-64")
    photo = from_bytes(data.astronaut())
    write_picture(folder / "photo.png", photo)
    found = invert(generator, align(photo, size=64), settings=Settings(steps=3))
    found.latent.save(folder / "codes" / "photo.safetensors")
    for seed in range(3):
        latent = generator.sample(seed, psi=0.7)
        latent.save(folder / "made" / f"{seed}.safetensors")
        write_picture(folder / "made" / f"{seed}.png", generator(latent)[0])
        write_picture(folder / "faces" / f"{seed}.png", generator(latent)[0])
    write_picture(folder / "faces" / "other.png", photo[:, :64, :64])
    return folder


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_picture_and_itself_are_told_as_such(wplus, folder, tmp_path):
    code, out, err = wplus("measure", folder / "faces" / "0.png", folder / "faces" / "0.png", "-o", tmp_path / "t.csv")
    assert (code, err) == (0, "")
    assert out.splitlines()[:4] == [
        str(tmp_path / "t.csv"),
        "metric                 mean   95 % of the mean             n",
        "mse                       0   -                            1",
        "                 64 px | pixels in [-1, 1]; 0 to 4",
    ]
    found = {row["metric"]: float(row["value"]) for row in rows(tmp_path / "t.csv")}
    assert found == dict(zip(OFFLINE, (0, float("inf"), 1, 1, 0, 0), strict=True))
    for row in rows(tmp_path / "t.csv"):
        assert row["range"] and row["size"].startswith("64 px")
        assert (row["network"] == "-") == (row["metric"] not in {"perceptual", "identity"})


def test_a_photograph_beside_its_code_is_cut_as_the_inversion_saw_it(wplus, folder, tmp_path):
    code, out, err = wplus(
        "measure",
        folder / "photo.png",
        folder / "codes" / "photo.safetensors",
        "--metric",
        "mse",
        "-o",
        tmp_path / "t.csv",
    )
    assert (code, err) == (0, "")
    latent = Latent.load(folder / "codes" / "photo.safetensors")
    generator = load_generator("faces-64")
    expected = mse(align(folder / "photo.png", size=64).picture[None], generator(latent).clamp(-1, 1))
    found = {row["metric"]: row for row in rows(tmp_path / "t.csv")}
    assert float(found["mse"]["value"]) == pytest.approx(float(expected), rel=1e-5)
    assert 0 < float(found["mean-distance"]["value"]) < 60
    assert 0 < float(found["pn-norm"]["value"]) < 2
    assert generator.fingerprint in found["pn-norm"]["network"]
    assert "pn-norm" in out


def test_folders_go_together_by_name_and_codes_stand_for_their_pictures(wplus, folder, tmp_path):
    code, out, err = wplus("measure", folder / "faces", folder / "made", "--metric", "psnr", "-o", tmp_path / "t.csv")
    assert code == 0
    assert err == "1 without a counterpart, left out: other\n"
    found = [row for row in rows(tmp_path / "t.csv") if row["metric"] == "psnr"]
    assert [row["item"] for row in found] == ["0", "1", "2"]
    assert all(50 < float(row["value"]) < 60 for row in found)  # of rounding to bytes alone
    figure = next(line for line in out.splitlines() if line.startswith("psnr"))
    mean = sum(float(row["value"]) for row in found) / 3
    assert figure.split()[1] == f"{mean:.4g}"
    assert figure.split()[-1] == "3"


def test_codes_alone_are_told_by_where_they_lie(wplus, folder):
    code, out, _ = wplus("measure", folder / "made")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1::2]] == ["mean-distance", "pn-norm"]
    code, _, err = wplus("measure", folder / "faces")
    assert code == 1
    assert err.endswith("pictures alone have no figures; give B to compare with, or codes\n")


def test_codes_of_cells_have_no_place_in_pn(wplus, tmp_path):
    network = StyleMapGAN(StyleMapGANConfig((4, 4), z_dim=4, w_dim=4, side=4, mapping_layers=1))
    generator = Generator(network, Card("maps"))
    generator.save(tmp_path / "maps.safetensors")
    generator.sample(0).save(tmp_path / "code.safetensors")
    code, out, _ = wplus("measure", tmp_path / "code.safetensors", "--generator", tmp_path / "maps.safetensors")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1::2]] == ["mean-distance"]


def test_one_bad_pair_stops_no_other(wplus, folder, tmp_path):
    for name in ("0", "1"):
        write_picture(tmp_path / "a" / f"{name}.png", torch.zeros(3, 64, 64))
    write_picture(tmp_path / "a" / "2.png", torch.zeros(3, 64, 100))
    (tmp_path / "a" / "0.png").write_bytes(b"no picture")
    code, out, err = wplus("measure", tmp_path / "a", folder / "made", "--metric", "mse", "-o", tmp_path / "t.csv")
    assert code == 1
    assert [row["item"] for row in rows(tmp_path / "t.csv") if row["metric"] == "mse"] == ["1"]
    assert f"wplus: {tmp_path / 'a' / '0.png'}: not a picture" in err
    assert "wplus: 2: 100x64 and 64x64 px have other proportions; cut them alike first\n" in err
    assert err.endswith("wplus: 2 could not be compared\n")
    assert "mse" in out


def test_pictures_are_compared_at_the_size_that_was_asked_for(wplus, folder):
    pair = (folder / "faces" / "0.png", folder / "faces" / "1.png", "--metric", "ms-ssim", "--size")
    assert "\n                 200 px, 5 of 5 scales | pixels in [0, 1]" in wplus("measure", *pair, "200")[1]
    code, _, err = wplus("measure", *pair, "8")
    assert (code, err.splitlines()[-1]) == (
        1,
        "wplus: 1: ms-ssim needs pictures of 11 px, these have 8x8; leave it out, or compare at a larger size",
    )


def test_sets_are_compared_by_a_named_network(wplus, folder, tmp_path):
    code, out, err = wplus(
        "measure", folder / "faces", folder / "made", "--distribution", "vgg-slim", "-o", tmp_path / "t.csv"
    )
    assert code == 0
    frechet, kernel = rows(tmp_path / "t.csv")
    assert (frechet["metric"], kernel["metric"]) == ("frechet", "kernel")
    assert frechet["item"] == "4 and 3 pictures"
    assert (frechet["size"], frechet["network"]) == ("128 px", "vgg-slim conv4_2, mean (256)")
    assert "the Frechet distance of so few is far too large: compare equal counts only" in err
    assert "128 px | squared MMD" in out
    code, _, err = wplus("measure", folder / "photo.png", folder / "made", "--distribution", "vgg-slim")
    assert (code, err) == (1, "wplus: 1 and 3 pictures are no two sets; give folders of many\n")


def test_path_lengths_of_a_generator_are_told_with_their_distance(wplus, tmp_path):
    arguments = ("--ppl", "w-end", "--metric", "perceptual", "--samples", "12", "-o", tmp_path / "t.csv")
    code, out, _ = wplus("measure", "faces-64", *arguments)
    assert code == 0
    assert len(rows(tmp_path / "t.csv")) == 12
    assert out.splitlines()[2].startswith("ppl-w-end ")
    assert "epsilon 0.0001; the outer 1 % left out | vgg-slim conv1_1" in out
    assert f"before ReLU; faces-64 {load_generator('faces-64').fingerprint}" in out


def test_wrong_use_is_told_and_writes_nothing(wplus, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    face = folder / "faces" / "0.png"
    for words, code, message in (
        ((face, face, "-o", tmp_path / "t.txt"), 2, "the table is a .csv file"),
        ((face, face, "--metric", "lpisp-alex"), 1, "no metric is named 'lpisp-alex'; did you mean 'lpips-alex'?"),
        ((face, face, "--metric", "lpips-vgg"), 1, "vgg16 is not here yet: fetch it with `wplus models fetch vgg16`"),
        ((face, face, "--weights", face), 2, "--weights is for --distribution, or for one --metric of LPIPS"),
        (
            (face, face, "--metric", "mse", "--metric", "lpips-vgg", "--weights", face),
            1,
            "0.png: a picture; expected safetensors",
        ),
        ((face, face, "--metric", "lpips-vgg", "--weights", folder / "none"), 1, "none: no such file; check the name"),
        ((folder, folder, "--distribution", "googlenet", "--weights", folder / "none"), 1, "none: cannot be read as"),
        ((face, folder / "none.png"), 1, "none.png: no such file; check the name"),
        ((folder / "faces", folder / "codes"), 1, "no name is on both sides: 0.png ... and photo.safetensors ... ;"),
        ((folder, "--distribution", "vgg-slim"), 2, "--distribution compares A with B"),
        (("faces-64", "--ppl", "w-end", "--metric", "ssim"), 2, "--ppl takes a generator without B, and one --metric"),
        (("faces-65", "--ppl", "w-end", "--metric", "mse"), 1, "did you mean 'faces-64'?"),
    ):
        found, out, err = wplus("measure", *words, *(() if "-o" in words else ("-o", tmp_path / "t.csv")))
        assert (found, out) == (code, ""), words
        assert message in err, words
        assert "Traceback" not in err
    assert not list(tmp_path.glob("t.*"))


def test_names_that_two_pictures_share_are_refused(folder, tmp_path):
    for suffix in (".png", ".jpg"):
        write_picture(tmp_path / f"a{suffix}", torch.zeros(3, 16, 16))
    with pytest.raises(WplusError, match=r"a.jpg and a.png have one name; which is meant\? rename one$"):
        items(tmp_path)


def test_codes_of_one_file_are_items_of_their_own(mini, tmp_path):
    Latent(torch.zeros(2, mini.layers, mini.w_dim), origin=mini.origin()).save(tmp_path / "two.safetensors")
    (tmp_path / "notes.json").write_text(json.dumps({}))
    mini.save(tmp_path / "generator.safetensors")
    assert [item.name for item in items(tmp_path)] == ["two-0", "two-1"]
    one = items(tmp_path)[:1]
    assert matched(one, one)[0][0].name == "two-0"


def test_an_interruption_keeps_what_was_measured(wplus, folder, tmp_path, monkeypatch):
    real = measuring.measure

    def twice(item, *rest):
        if item == "2":
            raise KeyboardInterrupt
        return real(item, *rest)

    monkeypatch.setattr(measuring, "measure", twice)
    code, _, err = wplus("measure", folder / "faces", folder / "faces", "--metric", "mse", "-o", tmp_path / "t.csv")
    assert code == 130
    assert [row["item"] for row in rows(tmp_path / "t.csv")] == ["0", "1"]
    assert err.endswith("interrupted\n")
