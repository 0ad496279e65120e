"""Latents and their files."""

import pytest
import torch

from wplus.core import Latent, LatentError, Origin, OutputError
from wplus.core.latent import join
from wplus.editing import morph


def origin(**details):
    return Origin("toy", "0123456789abcdef", 16, **details)


def latent(count=1, **details):
    return Latent(torch.randn(count, 6, 16), origin=origin(**details))


def test_a_latent_file_gives_back_codes_noise_and_origin(tmp_path):
    noise = (torch.randn(1, 1, 4, 4), torch.randn(1, 1, 8, 8))
    one = Latent(torch.randn(1, 6, 16), noise, origin(seed=3, losses={"pixel": 0.1}, settings={"steps": 5}))
    one.save(tmp_path / "a" / "one.safetensors")
    again = Latent.load(tmp_path / "a" / "one.safetensors")
    assert torch.equal(again.ws, one.ws)
    assert all(torch.equal(x, y) for x, y in zip(again.noise, noise, strict=True))
    assert again.origin == one.origin


def test_bare_codes_can_be_saved(tmp_path):
    Latent(torch.zeros(2, 6, 16)).save(tmp_path / "bare.safetensors")
    again = Latent.load(tmp_path / "bare.safetensors")
    assert again.origin is None
    assert again.noise is None
    assert len(again) == 2


def test_a_truncated_file_is_refused_at_every_length(tmp_path):
    path = tmp_path / "a.safetensors"
    latent().save(path)
    data = path.read_bytes()
    for length in range(0, len(data), 41):
        path.write_bytes(data[:length])
        with pytest.raises(LatentError, match=r"a\.safetensors: not a wplus latent, or damaged"):
            Latent.load(path)


def test_files_that_are_no_latents_are_told_apart(tmp_path, mini):
    mini.save(tmp_path / "generator.safetensors")
    with pytest.raises(LatentError, match="holds a generator, expected a latent"):
        Latent.load(tmp_path / "generator.safetensors")
    with pytest.raises(LatentError, match="no such file"):
        Latent.load(tmp_path / "nothing.safetensors")


def test_codes_must_be_finite_and_of_three_dimensions():
    with pytest.raises(LatentError, match="not finite"):
        Latent(torch.full((1, 6, 16), float("nan")))


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (2, 2, 4, 4), (2, 4, 4), (2, 1, 0, 4)])
def test_noise_maps_are_one_a_code(shape):
    with pytest.raises(LatentError, match=r"a noise map of 2 codes has shape .*, expected \(2, 1, height, width\)"):
        Latent(torch.zeros(2, 6, 16), (torch.zeros(2, 1, 4, 4), torch.zeros(shape)))


def test_latents_of_different_noise_maps_are_neither_joined_nor_morphed():
    sizes = [(4, 8), (4,), (4, 16)]
    made = [Latent(torch.zeros(1, 6, 16), tuple(torch.zeros(1, 1, side, side) for side in item)) for item in sizes]
    for other in made[1:]:
        with pytest.raises(LatentError, match="latents of different noise maps"):
            join([made[0], other])
        with pytest.raises(LatentError, match="latents of different noise maps"):
            morph(made[0], other, weight=0.5)


def test_a_file_has_the_rights_that_others_of_the_process_have(tmp_path, monkeypatch):
    (tmp_path / "plain").touch()
    monkeypatch.setattr("os.umask", None)  # it is the whole process's: other threads write files meanwhile
    latent().save(tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    one = latent()
    one.save(path)
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wplus.core.tensorfile.save_file", full)
    with pytest.raises(OutputError, match="No space left on device"):
        latent().save(path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.safetensors"]


def test_an_index_gives_one_code_with_its_noise():
    batch = Latent(torch.randn(3, 6, 16), (torch.randn(3, 1, 4, 4),), origin())
    assert torch.equal(batch[1].ws, batch.ws[1:2])
    assert torch.equal(batch[-1].noise[0], batch.noise[0][2:])
    with pytest.raises(IndexError):
        batch[3]


def test_joining_keeps_what_is_common(tmp_path):
    joined = join([latent(seed=1), latent(seed=2)])
    assert len(joined) == 2
    assert joined.origin == origin()
    with pytest.raises(LatentError, match="latents of different shapes"):
        join([latent(), Latent(torch.zeros(1, 4, 16))])
    stranger = Latent(torch.zeros(1, 6, 16), origin=Origin("other", "f" * 16, 16))
    with pytest.raises(LatentError, match="latents of different generators: toy"):
        join([latent(), stranger])


def test_an_edit_keeps_the_origin_and_says_what_was_done():
    one = latent(losses={"pixel": 0.1}, crop={"size": 16})
    twice = one.edited(one.ws + 1, edit="first").edited(one.ws, edit="second")
    assert twice.origin.edit == "first; second"
    assert twice.origin.losses == {}
    assert twice.origin.crop == {"size": 16}


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_codes_that_are_no_numbers_are_refused(dtype):
    with pytest.raises(LatentError, match="expected floating point"):
        Latent(torch.zeros(1, 6, 16).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_codes_of_other_precision_become_fp32(dtype):
    assert Latent(torch.ones(1, 6, 16, dtype=dtype)).ws.dtype == torch.float32


def test_an_empty_batch_and_noise_that_is_not_finite_are_refused():
    with pytest.raises(LatentError, match="codes have shape"):
        Latent(torch.zeros(0, 6, 16))
    with pytest.raises(LatentError, match="noise maps hold values that are not finite"):
        Latent(torch.zeros(1, 6, 16), (torch.full((1, 1, 4, 4), float("inf")),))


@pytest.mark.parametrize(
    "origin",
    [
        5,
        [1, 2],
        {},
        {"generator": 5, "fingerprint": "a", "resolution": 16},
        {"generator": "a", "fingerprint": "a", "resolution": 16, "w_radius": "x"},
        {"generator": "a", "fingerprint": "a", "resolution": True},
    ],
)
def test_an_origin_of_the_wrong_kind_is_refused_in_one_line(tmp_path, origin):
    from wplus.core.tensorfile import write_tensors

    write_tensors(tmp_path / "a.safetensors", {"ws": torch.zeros(1, 6, 16)}, {"kind": "latent", "origin": origin})
    with pytest.raises(LatentError, match=r"a\.safetensors: the origin"):
        Latent.load(tmp_path / "a.safetensors")


def test_latents_of_different_spaces_do_not_mix():
    with pytest.raises(LatentError, match=r"different spaces: W\+ and S"):
        join([latent(), latent(space="S")])
