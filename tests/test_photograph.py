"""What a photograph's file says beside the picture is kept, and an edit is told."""

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from wplus.core.animation import write_frames
from wplus.core.images import from_bytes, to_bytes
from wplus.core.marks import Mark, read_mark
from wplus.core.photograph import Photograph, open_photograph

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_profile_exif_and_mark_survive(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif[0x0112] = 6
    Image.fromarray(NOISE).save(tmp_path / f"a{suffix}", icc_profile=SRGB, exif=exif.tobytes())
    photo = open_photograph(tmp_path / f"a{suffix}")
    assert photo.picture.shape == (3, 30, 20)  # upright
    photo.marked(Mark("wplus 1", 'smile "0.8" & <more>')).save(tmp_path / f"b{suffix}")
    again = open_photograph(tmp_path / f"b{suffix}")
    assert again.profile == SRGB
    assert again.mark == Mark("wplus 1", 'smile "0.8" & <more>')
    with Image.open(tmp_path / f"b{suffix}") as image:
        told = image.getexif()
        assert (told[0x010F], told[0x0131], told.get(0x0112)) == ("A camera", "wplus 1", None)
        assert image.size == (20, 30)


def test_a_png_keeps_its_bits_transparency_and_print_size(tmp_path):
    alpha = np.linspace(0, 255, 600).reshape(20, 30).astype(np.uint8)
    image = Image.fromarray(np.dstack([NOISE, alpha]))
    image.save(tmp_path / "a.png", dpi=(300, 300))
    photo = open_photograph(tmp_path / "a.png")
    photo.save(tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as after:
        assert after.mode == "RGBA"
        assert (np.asarray(after.getchannel("A")) == alpha).all()
        assert after.info["dpi"][0] == pytest.approx(300, abs=0.1)
        assert (np.asarray(after.convert("RGB")) == to_bytes(photo.picture)).all()


def test_a_grey_photograph_stays_grey(tmp_path):
    Image.fromarray(NOISE[..., 0]).save(tmp_path / "a.png")
    open_photograph(tmp_path / "a.png").save(tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as after:
        assert after.mode == "L" and (np.asarray(after) == NOISE[..., 0]).all()


def test_inks_become_colours(tmp_path):
    Image.fromarray(NOISE).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    photo = open_photograph(tmp_path / "a.jpg")
    assert np.abs(to_bytes(photo.picture).astype(int) - NOISE).mean() < 40
    photo.save(tmp_path / "b.jpg")


def test_renderings_go_into_the_photographs_own_colours_and_back(tmp_path):
    photo = Photograph(torch.zeros(3, 8, 8), profile=SRGB)
    rendering = torch.rand(1, 3, 8, 8) * 2 - 1
    assert torch.allclose(photo.native(rendering), rendering, atol=0.02)
    assert torch.allclose(photo.seen(), photo.picture, atol=0.02)


def test_a_second_edit_is_told_after_the_first():
    packet = Mark("wplus 1", "older").added(None)
    assert read_mark(Mark("wplus 2", "smile").added(packet)) == Mark("wplus 2", "older; smile")
    assert packet.count(b"compositeWithTrainedAlgorithmicMedia") == 1


def test_another_programs_words_stay():
    theirs = Mark("x", "y").added(None).replace(b"wplus:Edit", b"theirs:Note")
    assert read_mark(theirs) is None
    assert b"theirs:Note" in Mark("wplus 1", "older").added(theirs)


def test_a_file_that_says_nothing_has_no_mark(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    assert open_photograph(tmp_path / "a.png").mark is None


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_told(tmp_path, suffix):
    deep = np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / f"deep{suffix}")
    Image.fromarray(NOISE).save(tmp_path / f"plain{suffix}")
    assert open_photograph(tmp_path / f"deep{suffix}").lost == ("16 bits a channel: 8 are left",)
    assert open_photograph(tmp_path / f"plain{suffix}").lost == ()


def test_a_change_in_srgb_keeps_the_bits_beside_it(tmp_path):
    wide = (NOISE // 3 + 80).astype(np.uint8)
    gamma = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = Photograph(from_bytes(wide), profile=gamma)
    seen = photo.seen().clone()
    seen[:, :5] = 0.2
    changed = photo.changed(seen)
    assert torch.equal(changed.picture[:, 5:], photo.picture[:, 5:])
    assert torch.allclose(changed.picture[:, :5], torch.tensor(0.2), atol=2 / 255)
    assert changed.profile == gamma


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".webm", ".webp", ".png", ".jpg"])
def test_animations_say_that_they_were_made(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    frames = torch.stack([from_bytes(np.roll(np.kron(NOISE, np.ones((12, 12, 1), np.uint8)), n, 0)) for n in (0, 9)])
    write_frames(path, frames, seconds=1, mark=Mark("wplus 1", "morph of two faces"))
    if suffix in {".mp4", ".webm"}:
        with av.open(str(path)) as video:
            told = {name.lower(): value for name, value in video.metadata.items()}["comment"]
    elif suffix == ".gif":
        with Image.open(path) as image:
            told = image.info["comment"].decode()
    else:
        told = open_photograph(path).mark.edit
    assert told.startswith("morph of two faces")


def test_frames_that_are_not_taken_are_told(tmp_path):
    frames = [Image.fromarray(np.roll(NOISE, n, 0)) for n in range(3)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    photo = open_photograph(tmp_path / "a.webp")
    assert photo.lost == ("2 of its 3 frames: the first is taken",)
    assert (to_bytes(photo.picture) == NOISE).all()
