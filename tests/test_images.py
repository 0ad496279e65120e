"""Files to tensors and back."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from wplus.core.errors import ExtraError, ImageError, OutputError
from wplus.core.images import find_pictures, from_bytes, passed_over, read_photo, resized, to_bytes, write_picture

pytestmark = pytest.mark.filterwarnings("error")

# Pillow's name of the turn that brings each orientation's stored picture upright
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
STORED = UPRIGHT | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def colours(height: int = 24, width: int = 40) -> np.ndarray:
    """A picture with no symmetry, (height, width, 3) in 0 to 255."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + 2 * y) * 255 // (width + 2 * height)], -1).astype(
        np.uint8
    )


def read(path: Path) -> np.ndarray:
    return to_bytes(read_photo(path)).astype(int)


def png(path: Path, width: int, height: int) -> Path:
    """A PNG of one colour, written row by row: Pillow would need the memory of the whole."""
    packed = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(packed.compress(row) for _ in range(height)) + packed.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_every_byte_survives_the_way_to_a_tensor_and_back() -> None:
    array = np.arange(768, dtype=np.int64).reshape(16, 16, 3).astype(np.uint8)
    picture = from_bytes(array)
    assert picture.shape == (3, 16, 16) and picture.dtype == torch.float32
    assert picture.min() == -1 and picture.max() == 1
    assert (to_bytes(picture) == array).all()


def test_values_beyond_the_range_are_clamped() -> None:
    picture = torch.tensor([-3.0, 0.0, 3.0]).reshape(3, 1, 1)
    assert to_bytes(picture).ravel().tolist() == [0, 128, 255]


def test_bytes_and_tensors_of_another_shape_are_a_programmers_mistake() -> None:
    with pytest.raises(
        (ValueError, TypeError), match=r"3[, ]*height[, ]*width"
    ):  # the suite's shape checks speak first
        to_bytes(torch.zeros(1, 3, 4, 4))
    with pytest.raises((ValueError, TypeError), match=r"(?i)uint8"):
        from_bytes(np.zeros((4, 4, 3)))


def test_a_png_written_and_read_is_the_same(tmp_path: Path) -> None:
    picture = from_bytes(colours())
    write_picture(tmp_path / "new" / "a.png", picture)
    assert torch.equal(read_photo(tmp_path / "new" / "a.png"), picture)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_lossy_formats_are_written_by_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_picture(path, from_bytes(colours()))
    with Image.open(path) as image:
        assert image.format == {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}[suffix.lower()]
    assert abs(read(path) - colours()).mean() < 4


def test_an_unknown_suffix_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.xyz: the suffix is \.xyz, expected one of \.jpeg, \.jpg, \.png, \.webp"):
        write_picture(tmp_path / "a.xyz", from_bytes(colours()))
    assert list(tmp_path.iterdir()) == []


def test_a_picture_too_long_for_its_format_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_picture(tmp_path / "a.webp", torch.zeros(3, 1, 20000))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_tag_is_made_upright(tmp_path: Path, orientation: int) -> None:
    image = Image.fromarray(colours())
    if orientation in STORED:
        image = image.transpose(STORED[orientation])
    exif = Image.Exif()
    exif[274] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    assert (read(tmp_path / "a.png") == colours()).all()


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(grey * 257).save(tmp_path / "a.png")
    Image.fromarray(grey * 257).save(tmp_path / "a.tif")
    assert (read(tmp_path / "a.png") == grey[..., None]).all()
    assert (read(tmp_path / "a.tif") == grey[..., None]).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_opaque_modes_keep_their_values(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(colours()).convert(mode)
    image.save(tmp_path / "a.png")
    assert (read(tmp_path / "a.png") == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_laid_over_white(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(colours()).convert(mode)
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 20, 24))
    alpha.paste(128, (20, 0, 30, 24))
    image.putalpha(alpha)
    image.save(tmp_path / "a.png")
    plain, got = np.asarray(image.convert("RGB")).astype(int), read(tmp_path / "a.png")
    assert (got[:, :20] == 255).all() and (got[:, 30:] == plain[:, 30:]).all()
    assert abs(got[:, 20:30] - (plain[:, 20:30] + 255) / 2).max() <= 1.5


def test_a_palette_with_transparency_is_laid_over_white(tmp_path: Path) -> None:
    image = Image.fromarray(colours()).quantize(8)
    image.save(tmp_path / "a.png", transparency=bytes([0, 128] + [255] * 6))
    index, got = np.asarray(image), read(tmp_path / "a.png")
    assert (got[index == 0] == 255).all()
    assert (got[index > 1] == np.asarray(image.convert("RGB"))[index > 1]).all()


def test_print_colours_become_rgb(tmp_path: Path) -> None:
    Image.fromarray(colours()).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    assert abs(read(tmp_path / "a.jpg") - colours()).mean() < 4


def test_a_picture_under_a_wrong_suffix_is_read(tmp_path: Path) -> None:
    Image.fromarray(colours()).save(tmp_path / "a.jpg", format="PNG")
    assert (read(tmp_path / "a.jpg") == colours()).all()


def test_what_is_no_picture_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a picture\n" * 40)
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    Image.new("RGB", (4, 4)).save(tmp_path / "program.eps")
    expected = {
        "none.jpg": "no such file; check the name",
        ".": "a folder; give one picture file",
        "empty.jpg": "an empty file; get it again",
        "text.jpg": "not a picture; give a jpg, png, webp, tiff, bmp or gif file",
        "program.eps": "not a picture; give a jpg, png, webp, tiff, bmp or gif file",
        "float.tif": "floating-point values, whose white is unknown; save it with 8 or 16 bits",
    }
    for name, message in expected.items():
        with pytest.raises(ImageError) as caught:
            read_photo(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {message}"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".bmp", ".tif"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_cut_off_picture_is_refused(tmp_path: Path, suffix: str, part: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ImageError, match=r"get the file again|not a picture") as caught:
        read_photo(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sides", [(30000, 30000), (11000, 11000), (16000, 8000)])
def test_a_picture_of_too_many_pixels_is_refused(tmp_path: Path, sides: tuple[int, int]) -> None:
    path = png(tmp_path / "a.png", *sides)
    with pytest.raises(ImageError, match="more than 120 million pixels; make the picture smaller first"):
        read_photo(path)


def test_no_warning_of_pillow_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(colours()).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 600)  # Pillow warns from here and refuses from twice as many
    assert (read(tmp_path / "a.png") == colours()).all()


def test_a_file_gives_itself_and_a_folder_its_pictures(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", ".c.jpg", "d.txt", "sub.jpg/e.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_pictures(tmp_path / "d.txt") == [tmp_path / "d.txt"]
    assert [path.name for path in find_pictures(tmp_path)] == ["a.jpg", "b.PNG"]


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=": a folder without pictures; expected files named"):
        find_pictures(tmp_path)
    with pytest.raises(ImageError, match="none: no such file or folder; check the name"):
        find_pictures(tmp_path / "none")


def test_a_resized_picture_keeps_its_mean_and_loses_what_it_cannot_hold() -> None:
    stripes = torch.ones(3, 64, 64)
    stripes[:, :, ::2] = -1
    small = resized(stripes, height=16, width=16)
    assert small.shape == (3, 16, 16) and small.abs().max() < 0.1


def test_what_a_folder_holds_beside_pictures_is_told(tmp_path: Path) -> None:
    for name in ("b.PNG", "clip.mov", ".hidden.mov", "notes.txt", "sub/e.mov"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in passed_over(tmp_path)] == ["clip.mov", "notes.txt"]
    assert passed_over(tmp_path / "notes.txt") == []


def test_a_phone_s_heic_is_read_or_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif")
    smooth = np.kron(colours()[:2, :2], np.ones((40, 40, 1), np.uint8))
    heif.from_pillow(Image.fromarray(smooth)).save(tmp_path / "photo.heic", quality=95)
    (tmp_path / "photo.jpg").write_bytes((tmp_path / "photo.heic").read_bytes())  # as some programs rename them
    for name in ("photo.heic", "photo.jpg"):
        assert np.abs(read(tmp_path / name).astype(int) - smooth).mean() < 6
    monkeypatch.setattr("wplus.core.extras.find_spec", lambda name: None)
    with pytest.raises(ExtraError, match=r'needs the package pillow-heif: pip install "wplus\[heic]"'):
        read_photo(tmp_path / "photo.heic")


def test_wide_colours_are_brought_to_srgb(tmp_path: Path) -> None:
    """A profile whose red and green are exchanged: no other program is needed to say what comes out."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, green = (plain.index(tag) for tag in (b"rXYZ", b"gXYZ"))
    data = bytearray(plain)
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    odd = bytes(data).replace("sRGB".encode("utf-16-be"), "Odd ".encode("utf-16-be"))
    flat = np.full((8, 8, 3), (200, 40, 90), np.uint8)
    Image.fromarray(flat).save(tmp_path / "odd.png", icc_profile=odd)
    Image.fromarray(flat).save(tmp_path / "plain.png", icc_profile=plain)
    assert (read(tmp_path / "plain.png") == flat).all()
    assert np.abs(read(tmp_path / "odd.png").astype(int) - (40, 200, 90)).max() <= 3
