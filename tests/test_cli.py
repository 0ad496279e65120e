"""The command as users meet it: results, exact messages, exit codes."""

import csv
import importlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from wplus.cli.main import COMMANDS, missing_input
from wplus.core import Latent
from wplus.core.images import read_photo, write_picture
from wplus.core.latent import join
from wplus.models import load_generator

SCRIPT = Path(sys.executable).parent / "wplus"
QUICK = ("--steps", "6")


@pytest.fixture
def pressing_ctrl_c():
    """While this context is open, every inversion is interrupted at its third step."""
    module = importlib.import_module("wplus.pipelines.folder.recipe")
    real = module.invert

    def interrupted(*args, stop, **kwargs):
        def press(record):
            if record.step == 3:
                signal.raise_signal(signal.SIGINT)
            return stop(record)

        return real(*args, stop=press, **kwargs)

    return patch.object(module, "invert", interrupted)


@pytest.fixture(scope="session")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "astronaut.jpg"
    Image.fromarray(data.astronaut()).save(path, quality=95)
    return path


@pytest.fixture(scope="session")
def latents(tmp_path_factory):
    """Three made-up faces as files."""
    folder = tmp_path_factory.mktemp("latents")
    generator = load_generator("faces-64")
    for seed in range(3):
        generator.sample(seed, psi=0.7).save(folder / f"{seed}.safetensors")
    return [folder / f"{seed}.safetensors" for seed in range(3)]


def manifest(folder):
    with (folder / "manifest.csv").open(newline="") as file:
        return {Path(row["input"]).name: row for row in csv.DictReader(file)}


def files(folder):
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def test_the_installed_script_shows_its_commands():
    shown = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_help_and_usage_errors_wait_for_no_torch():
    run = "import sys, wplus.cli.main as m; sys.argv[1:] = [{}]"
    code = f"{run}\ntry: m.main()\nfinally: assert 'torch' not in sys.modules"
    for arguments, status in (("'--help'", 0), ("'--version'", 0), ("'inverse'", 2)):
        done = subprocess.run([sys.executable, "-c", code.format(arguments)], capture_output=True, text=True)
        assert done.returncode == status, done.stderr


@pytest.mark.parametrize(
    "words",
    ["invert nothere.jpg -o x", "-q align nothere.jpg -o x --size 64", "invert -o x nothere.jpg",
     "render -o x nothere.jpg", "morph here nothere.jpg -o x --weight 0.5", "express here nothere.jpg here -o x",
     "edit-region here nothere.jpg -o x"],
)  # fmt: skip
def test_an_input_that_is_missing_is_told_without_torch(tmp_path, words):
    code = "import sys, wplus.cli.main as m\ntry: m.main()\nfinally: assert 'torch' not in sys.modules"
    (tmp_path / "here").touch()
    command = [sys.executable, "-c", code, *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "wplus: nothere.jpg: no such file; check the name\n")


def test_what_cannot_be_told_yet_is_left_to_the_command(tmp_path):
    (tmp_path / "here").touch()
    here, gone = str(tmp_path / "here"), str(tmp_path / "gone")
    for words in (
        ["invert", here, gone, "-o", "x"],  # the others are inverted
        ["invert", gone],  # -o is missing
        ["render", gone, "-o", "x", "--help"],
        ["sample", gone, "-o", "x"],
        ["render", here, "-o", gone],
        ["render", "--generator", gone, here, "-o", "x"],
        ["render", f"{gone}\n", "-o", "x"],
        [],
    ):
        assert missing_input(words) is None, words


def test_quiet_leaves_results_and_verbose_says_the_ways(wplus, latents, portrait, tmp_path):
    words = ("invert", portrait, "--crop", "-o", tmp_path / "out", "--steps", 0)
    assert wplus("-q", *words)[::2] == (0, "")
    assert wplus("-q", "render", tmp_path / "no.safetensors", "-o", tmp_path / "a.png")[2].endswith("check the name\n")
    err = wplus("--verbose", *words, "--seed", 1)[2]
    assert re.fullmatch(r"generator faces-64 .*\ncompute: Compute\(path='\w+', .*\)\n1 to do of 1\n", err)
    assert wplus(*words, "--seed", 2)[2].count("\n") == 1


@pytest.mark.parametrize(
    ("set_before", "expected"),
    [
        ({}, "10000 1"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, "None None"),
        ({"GOMP_SPINCOUNT": "5"}, "5 None"),
        ({"KMP_BLOCKTIME": "0"}, "None 0"),
    ],
)
def test_idle_threads_sleep_soon_unless_the_user_says_how_they_wait(set_before, expected):
    ours = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY", "KMP_LIBRARY")
    environment = {name: value for name, value in os.environ.items() if name not in ours} | set_before
    tell = "print(*map(os.environ.get, ('GOMP_SPINCOUNT', 'KMP_BLOCKTIME')))"
    late = "import os, sys, types; sys.modules['torch'] = types.ModuleType('torch'); import wplus"
    found = []
    for start in ("import os, wplus", "import os, wplus.cli.main", late):
        command = [sys.executable, "-c", f"{start}; {tell}"]
        found.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout[:-1])
    assert found == [expected, expected, " ".join(str(set_before.get(name)) for name in ours[:2])]


@pytest.mark.parametrize(
    "words",
    ["align a", "invert a", "render a", "restore a b", "morph a b", "crossover a b", "express a b c", "edit-region a b",
     "sample", "train a", "train-encoder a b"],
)  # fmt: skip
def test_without_an_output_a_command_says_so(wplus, words):
    code, _, err = wplus(*words.split())
    assert (code, err) == (2, f"wplus: Missing option '-o' / '--output'; see `wplus {words.split()[0]} --help`\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(wplus, name):
    code, out, _ = wplus(name, "--help")
    assert code == 0
    assert "Example" in out
    assert f"\n    wplus {name} " in f"{out} ".replace(f"wplus {name}\n", f"wplus {name} \n")  # on a line of its own
    assert "\\b" not in out


def test_a_mistyped_command_is_a_usage_error_with_a_suggestion(wplus):
    code, _, err = wplus("inverse", "a.jpg")
    assert code == 2
    assert "no command 'inverse'; did you mean 'invert'?" in err


def test_one_bad_file_does_not_stop_the_others_and_a_rerun_skips(wplus, portrait, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(portrait.read_bytes())
    (folder / "text.jpg").write_text("I am no picture")
    (folder / "zero.png").write_bytes(b"")
    code, shown, err = wplus("align", folder, "-o", out, "--size", 64)
    assert code == 1
    assert shown == f"{out}: 2 failed, 1 done of 3\n" or shown == f"{out}: 1 done, 2 failed of 3\n"
    assert err.splitlines()[-1] == f"wplus: 2 of 3 inputs failed; {out / 'manifest.csv'} says why"
    rows = manifest(out)
    assert {name: row["status"] for name, row in rows.items()} == {
        "good.jpg": "done",
        "text.jpg": "failed",
        "zero.png": "failed",
    }
    assert "text.jpg" in rows["text.jpg"]["reason"]
    assert files(out) == ["good.json", "good.png", "manifest.csv"]
    before = (out / "good.png").stat().st_mtime_ns
    assert wplus("align", folder, "-o", out, "--size", 64)[0] == 1
    assert manifest(out)["good.jpg"]["status"] == "done"  # the line stays
    assert (out / "good.png").stat().st_mtime_ns == before
    wplus("align", folder, "-o", out, "--size", 32)  # other settings: done anew
    assert manifest(out)["good.jpg"]["status"] == "done"
    assert read_photo(out / "good.png").shape == (3, 32, 32)


def test_two_inputs_of_one_name_give_two_results(wplus, portrait, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "face.jpg").write_bytes(portrait.read_bytes())
    assert wplus("align", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out", "--size", 32)[0] == 0
    assert [name for name in files(tmp_path / "out") if name.endswith(".png")] == ["face-2.png", "face.png"]


def bad_inputs(folder):
    """One of each kind of bad input, with what its message must tell."""
    folder.mkdir()
    (folder / "text.jpg").write_text("I am no picture")
    (folder / "zero.png").write_bytes(b"")
    Image.fromarray(data.astronaut()).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:20_000])
    Image.fromarray(np.full((300, 300, 3), 120, np.uint8)).save(folder / "grey.png")
    Image.new("1", (30_000, 30_000)).save(folder / "bomb.png")
    (folder / "empty").mkdir()
    return {"text.jpg": "", "zero.png": "empty", "cut.jpg": "", "grey.png": "no face found in", "bomb.png": "pixels",
            "empty": "without pictures", "missing.jpg": "no such file"}  # fmt: skip


@pytest.mark.parametrize("command", ["align", "invert"])
def test_bad_input_gets_one_line_and_writes_nothing(wplus, tmp_path, command):
    for name, words in bad_inputs(tmp_path / "in").items():
        out = tmp_path / f"out-{name}"
        code, shown, err = wplus(command, tmp_path / "in" / name, "-o", out)
        lines = [line for line in err.splitlines() if not line.startswith("generator ")]
        assert code == 1, name
        assert shown == "", name
        assert len(lines) == 1, (name, lines)
        assert lines[0].startswith("wplus: "), name
        assert name in lines[0], name
        assert words in lines[0], (name, lines)
        assert not out.exists(), name


def test_an_output_that_cannot_be_written_is_told_before_the_work(wplus, portrait, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for command in ("align", "invert"):
        code, _, err = wplus(command, portrait, "-o", tmp_path / "file" / "out")
        assert code == 1
        assert err.splitlines()[-1].startswith(f"wplus: cannot write {tmp_path / 'file' / 'out'}: ")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told(wplus, portrait, tmp_path):
    (tmp_path / "out").mkdir(mode=0o555)
    code, _, err = wplus("align", portrait, "-o", tmp_path / "out")
    assert code == 1
    assert "Permission denied" in err


def test_an_unknown_generator_suggests_the_nearest(wplus, portrait, tmp_path):
    code, _, err = wplus("invert", portrait, "-o", tmp_path / "out", "--generator", "faces64")
    assert code == 1
    assert err == "wplus: no generator and no file is named 'faces64'; did you mean 'faces-64'?\n"
    assert not (tmp_path / "out").exists()


def test_settings_out_of_range_are_usage_errors(wplus, portrait, tmp_path):
    code, _, err = wplus("invert", portrait, "-o", tmp_path / "out", "--method", "adam", "--learning-rate", "-1")
    assert code == 2
    assert "learning_rate must be positive" in err


def test_an_inverted_photo_renders_from_its_file_alone_to_the_saved_picture(wplus, portrait, tmp_path):
    out = tmp_path / "codes"
    code, shown, _ = wplus("invert", portrait, "-o", out, *QUICK)
    assert (code, shown) == (0, f"{out}: 1 done of 1\n")
    assert files(out) == ["astronaut.png", "astronaut.safetensors", "manifest.csv"]
    assert wplus("render", out / "astronaut.safetensors", "-o", tmp_path / "again.png")[0] == 0
    assert (tmp_path / "again.png").read_bytes() == (out / "astronaut.png").read_bytes()
    assert wplus("render", out / "astronaut.safetensors", "-o", tmp_path / "exact.npy")[0] == 0
    exact = np.load(tmp_path / "exact.npy")
    assert exact.shape == (3, 64, 64)
    write_picture(tmp_path / "from_npy.png", torch.from_numpy(exact))
    assert (tmp_path / "from_npy.png").read_bytes() == (out / "astronaut.png").read_bytes()
    origin = Latent.load(out / "astronaut.safetensors").origin
    assert origin.generator == "faces-64"
    assert origin.settings["steps"] == 6
    assert origin.settings["objective"]["perceptual"]["network"] == "vgg-slim"
    assert set(origin.losses) == {"perceptual", "pixel", "P_N norm"}
    code, shown, _ = wplus("invert", portrait, "-o", out, *QUICK)
    assert (code, shown) == (0, f"{out}: 1 skipped of 1\n")
    assert wplus("restore", portrait, out / "astronaut.safetensors", "-o", tmp_path / "back.png")[0] == 0
    photo = read_photo(portrait)
    assert torch.equal(photo, read_photo(tmp_path / "back.png"))  # a code that was not edited changes nothing
    pasted = tmp_path / "pasted.png"
    assert wplus("restore", portrait, out / "astronaut.safetensors", "-o", pasted, "--paste", "face")[0] == 0
    assert torch.equal(photo[:, 400:], read_photo(pasted)[:, 400:])
    assert not torch.equal(photo, read_photo(pasted))


def test_an_aligned_crop_is_taken_as_it_is(wplus, portrait, tmp_path):
    wplus("align", portrait, "-o", tmp_path / "crops", "--size", 128)
    assert wplus("invert", tmp_path / "crops", "--crop", "-o", tmp_path / "out", *QUICK)[0] == 0
    code, _, err = wplus("invert", tmp_path / "crops", "-o", tmp_path / "again", *QUICK)
    assert code == 0, err  # and a crop can be aligned again
    Image.new("RGB", (64, 32)).save(tmp_path / "wide.png")
    code, _, err = wplus("invert", tmp_path / "wide.png", "--crop", "-o", tmp_path / "wide")
    assert code == 1
    assert "64x32 is no aligned crop" in err


def test_what_was_broken_off_goes_on_to_the_same_end(wplus, portrait, tmp_path, pressing_ctrl_c):
    with pressing_ctrl_c:
        code, _, err = wplus("invert", portrait, "-o", tmp_path / "broken", *QUICK)
    assert (code, err.splitlines()[-1]) == (130, "wplus: interrupted")
    assert manifest(tmp_path / "broken")["astronaut.jpg"]["status"] == "interrupted"
    Latent.load(tmp_path / "broken" / "astronaut.safetensors")
    assert wplus("invert", portrait, "-o", tmp_path / "broken", *QUICK)[0] == 0
    assert wplus("invert", portrait, "-o", tmp_path / "whole", *QUICK)[0] == 0
    broken, whole = (Latent.load(tmp_path / name / "astronaut.safetensors") for name in ("broken", "whole"))
    assert torch.equal(broken.ws, whole.ws)
    assert files(tmp_path / "broken") == files(tmp_path / "whole")


def test_a_finished_result_is_not_given_up_for_one_that_was_broken_off(wplus, portrait, tmp_path, pressing_ctrl_c):
    out, more = tmp_path / "out", ("--steps", "7")
    assert wplus("invert", portrait, "-o", out, *QUICK)[0] == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pressing_ctrl_c:
        assert wplus("invert", portrait, "-o", out, *more)[0] == 130
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert wplus("invert", portrait, "-o", out, *more)[0] == 0
    assert wplus("invert", portrait, "-o", tmp_path / "whole", *more)[0] == 0
    names = ("astronaut.safetensors", "astronaut.png")
    assert all((out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in names)
    assert files(out) == files(tmp_path / "whole")


def test_a_file_that_is_not_ours_keeps_its_place(wplus, portrait, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "astronaut.png").write_bytes(b"somebody's")
    for _ in range(2):
        assert wplus("invert", portrait, "-o", tmp_path / "out", *QUICK)[0] == 0
    assert (tmp_path / "out" / "astronaut.png").read_bytes() == b"somebody's"
    made = ["astronaut-2.png", "astronaut-2.safetensors", "astronaut.png", "manifest.csv"]
    assert files(tmp_path / "out") == made


def test_photographs_of_one_name_are_told_apart_wherever_the_command_is_called(wplus, portrait, tmp_path, monkeypatch):
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        Image.open(portrait).rotate(number).save(tmp_path / name / "x.png")
    for name in ("a", "b", "a"):
        monkeypatch.chdir(tmp_path / name)
        assert wplus("align", "x.png", "-o", tmp_path / "out", "--size", 32)[0] == 0
    assert wplus("align", tmp_path / "a" / "x.png", "-o", tmp_path / "out", "--size", 32)[1].endswith(
        "1 skipped of 1\n"
    )
    assert [name for name in files(tmp_path / "out") if name.endswith(".png")] == ["x-2.png", "x.png"]


def test_ctrl_c_keeps_the_best_latent(portrait, tmp_path):
    # the descent itself says when it has begun: on a busy machine finding the face takes its time
    code = (
        "import wplus.pipelines.folder.recipe as recipe; from wplus.cli.main import main; real = recipe.invert\n"
        "def invert(*args, watch, **more):\n"
        "    def told(record):\n"
        "        watch(record)\n"
        "        print(record.step, flush=True)\n"
        "    return real(*args, watch=told, **more)\n"
        "recipe.invert = invert; main()"
    )
    command = [sys.executable, "-c", code, "invert", portrait, "-o", tmp_path / "out", "--steps", "1000000"]

    def listen():  # a suite that runs in the background ignores Ctrl-C, and its children would too
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, preexec_fn=listen, **pipes) as process:
        assert process.stderr.readline().startswith("generator faces-64")
        while process.stdout.readline() != "2\n":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err == "\nwplus: interrupted\n"  # on a line of its own, after ^C
    latent = Latent.load(tmp_path / "out" / "astronaut.safetensors")
    assert latent.origin.settings["steps_done"] > 0


def test_a_morph_is_a_strip_an_animation_or_one_latent(wplus, latents, tmp_path):
    a, b, _ = latents
    assert wplus("morph", a, b, "-o", tmp_path / "strip.png", "--frames", 3)[0] == 0
    assert read_photo(tmp_path / "strip.png").shape == (3, 256, 3 * 256)
    assert wplus("morph", a, b, "-o", tmp_path / "m.gif", "--frames", 5, "--loop")[0] == 0
    with Image.open(tmp_path / "m.gif") as gif:
        assert gif.n_frames == 8
    assert wplus("morph", a, b, "-o", tmp_path / "m.mp4", "--frames", 6)[0] == 0
    import av

    with av.open(str(tmp_path / "m.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 6
    assert wplus("morph", a, b, "--weight", 0, "-o", tmp_path / "a.safetensors")[0] == 0
    assert torch.equal(Latent.load(tmp_path / "a.safetensors").ws, Latent.load(a).ws)
    code, _, err = wplus("morph", a, b, "-o", tmp_path / "m.avi")
    assert code == 1
    assert "use .gif, .mp4, .webm, .png" in err


def test_crossover_and_expression_write_what_the_suffix_says(wplus, latents, tmp_path):
    a, b, c = latents
    assert wplus("crossover", a, b, "-o", tmp_path / "x.safetensors", "--first-style-layer", "16px")[0] == 0
    mixed = Latent.load(tmp_path / "x.safetensors").ws
    assert torch.equal(mixed[:, :4], Latent.load(a).ws[:, :4])
    assert torch.equal(mixed[:, 4:], Latent.load(b).ws[:, 4:])
    assert wplus("crossover", a, b, "-o", tmp_path / "x.png")[0] == 0
    assert wplus("crossover", a, b, "-o", tmp_path / "y.png", "--first-style-layer", "17px")[0] == 2
    assert wplus("express", a, b, c, "-o", tmp_path / "e.png", "--strength", 0.5)[0] == 0
    assert wplus("express", a, b, c, "-o", tmp_path / "e.npy", "--threshold", "0.3", "--normalise")[0] == 0
    assert wplus("express", a, b, c, "-o", tmp_path / "e.png", "--threshold", "much")[0] == 2


def test_edits_that_write_a_latent_need_no_file_of_the_generator(wplus, mini, tmp_path):
    for seed in range(3):
        mini.sample(seed).save(tmp_path / f"{seed}.safetensors")
    a, b, c = (tmp_path / f"{seed}.safetensors" for seed in range(3))
    for words in (("morph", a, b, "--weight", 0.5), ("crossover", a, b), ("express", a, b, c)):
        assert wplus(*words, "-o", tmp_path / "out.safetensors") == (0, f"{tmp_path / 'out.safetensors'}\n", "")
        assert Latent.load(tmp_path / "out.safetensors").origin.generator == "mini"
        code, _, err = wplus(*words, "-o", tmp_path / "out.png")
        assert (code, err.endswith("; give the latent's generator by --generator FILE\n")) == (1, True)
        code, _, err = wplus(*words, "-o", tmp_path / "out.safetensors", "--generator", "faces-64")
        assert (code, "the latent belongs to generator mini" in err) == (1, True)


@pytest.mark.parametrize("threshold", ["nan", "nan%", "-5", "-5%", "inf", "-inf%"])
def test_a_threshold_is_a_number_from_0(wplus, latents, tmp_path, threshold):
    code, _, err = wplus("express", *latents, "-o", tmp_path / "e.safetensors", "--threshold", threshold)
    assert (code, f"--threshold {threshold} is neither a number from 0 nor a percentage" in err) == (2, True)


def test_no_option_of_any_command_takes_what_is_no_number():
    seen = 0
    for name in COMMANDS:
        command = importlib.import_module(f"wplus.cli.{name.replace('-', '_')}").command
        for option in command.params:
            if isinstance(option.type, click.types.FloatParamType):
                seen += 1
                for word in ("nan", "inf", "-inf"):
                    with pytest.raises(click.BadParameter):
                        option.type.convert(word, option, None)
    assert seen > 20


def test_samples_are_the_same_alone_and_together(wplus, tmp_path):
    assert wplus("sample", "-o", tmp_path / "many", "--count", 4)[0] == 0
    assert wplus("sample", "-o", tmp_path / "one", "--seed", 2, "--count", 1)[0] == 0
    assert (tmp_path / "many" / "seed0002.png").read_bytes() == (tmp_path / "one" / "seed0002.png").read_bytes()
    assert "sheet.png" in files(tmp_path / "many")


def test_info_tells_what_a_file_is(wplus, latents, portrait):
    code, out, _ = wplus("info", "faces-64")
    assert code == 0
    assert "resolution          64" in out
    assert "perceptual network  vgg-slim" in out
    assert "non-commercial" in out
    assert "\ngenerator    faces-64\n" in wplus("info", latents[0])[1]
    assert "width" in wplus("info", portrait)[1]
    code, _, err = wplus("info", "faces-63")
    assert (code, err) == (1, "wplus: no generator and no file is named 'faces-63'; did you mean 'faces-64'?\n")


def test_latents_that_cannot_be_rendered_are_refused_in_one_line(wplus, latents, mini, tmp_path):
    data_ = latents[0].read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(data_[: len(data_) // 2])
    Latent(Latent.load(latents[0]).ws).save(tmp_path / "bare.safetensors")
    mini.sample(0).save(tmp_path / "mini.safetensors")
    mini.save(tmp_path / "other.safetensors")
    cases = {
        ("render", tmp_path / "cut.safetensors"): "cut.safetensors: not a wplus latent, or damaged",
        ("render", tmp_path / "bare.safetensors"): "give --generator",
        ("render", tmp_path / "mini.safetensors"): "no generator and no file is named 'mini'",
        (
            "render",
            latents[0],
            "--generator",
            tmp_path / "other.safetensors",
        ): "the latent belongs to generator faces-64",
        ("morph", latents[0], tmp_path / "mini.safetensors"): "the latent belongs to generator mini",
    }
    for words, message in cases.items():
        code, _, err = wplus(*words, "-o", tmp_path / "out.png")
        assert code == 1, words
        assert message in err
        assert err.count("\n") == 1
        assert not (tmp_path / "out.png").exists()
    assert wplus("render", tmp_path / "bare.safetensors", "-o", tmp_path / "out.png", "--generator", "faces-64")[0] == 0


def test_a_folder_of_latents_is_rendered_under_their_names(wplus, latents, tmp_path):
    assert wplus("render", *latents, "-o", tmp_path / "out", "--format", "webp")[0] == 0
    assert files(tmp_path / "out") == ["0.webp", "1.webp", "2.webp"]


def test_the_demo_shows_everything_on_its_page(wplus, tmp_path):
    code, out, _ = wplus("demo", "-o", tmp_path / "demo")
    assert (code, out) == (0, f"{tmp_path / 'demo' / 'index.html'}\n")
    page = (tmp_path / "demo" / "index.html").read_text()
    edits = ["broader-smile.png", "milder-smile.png", "blond.png", "older.png"]
    for name in (
        *edits,
        "samples.png",
        "inversion_side_by_side.png",
        "morph.png",
        "crossover.png",
        "morph.gif",
        "loss.csv",
    ):
        assert f'href="{name}"' in page
        assert (tmp_path / "demo" / name).stat().st_size > 500
    assert page.index("broader-smile.png") < page.index("samples.png") < page.index("loss.csv") < page.index("<table>")
    assert page.count('src="photo.png"') == len(edits)  # to slide to
    photo = read_photo(tmp_path / "demo" / "photo.png")
    for name in edits:
        edited = read_photo(tmp_path / "demo" / name)
        assert edited.shape == photo.shape
        assert torch.equal(edited[:, 300:], photo[:, 300:])
        assert not torch.equal(edited, photo)
    for words in ("MSE on [-1, 1]", "PSNR", "dlib identity distance", "inversion, "):
        assert words in page
    Latent.load(tmp_path / "demo" / "inversion.safetensors")


def test_results_never_lie_among_the_inputs(wplus, portrait, tmp_path):
    photo = tmp_path / "photo.png"
    Image.open(portrait).save(photo)
    before = photo.read_bytes()
    for command in ("align", "invert"):
        code, _, err = wplus(command, tmp_path, "-o", tmp_path)
        assert code == 1
        assert "the results would lie among the inputs" in err
        assert photo.read_bytes() == before


def test_a_name_of_an_earlier_run_is_not_taken_by_another_input(wplus, portrait, tmp_path):
    for name, size in (("a", 512), ("b", 256)):
        (tmp_path / name).mkdir()
        Image.open(portrait).resize((size, size)).save(tmp_path / name / "me.jpg")
    out = tmp_path / "out"
    wplus("align", tmp_path / "a" / "me.jpg", "-o", out, "--size", 32)
    first = (out / "me.png").read_bytes()
    wplus("align", tmp_path / "b" / "me.jpg", "-o", out, "--size", 32)
    assert (out / "me.png").read_bytes() == first
    assert (out / "me-2.png").exists()
    wplus("align", tmp_path / "b" / "me.jpg", "-o", out, "--size", 48)  # keeps its name
    assert files(out) == ["manifest.csv", "me-2.json", "me-2.png", "me.json", "me.png"]


def test_a_manifest_that_is_not_ours_is_left_alone(wplus, portrait, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.csv").write_text("my own table")
    code, _, err = wplus("align", portrait, "-o", tmp_path / "out")
    assert code == 1
    assert "not a manifest of wplus" in err
    assert (tmp_path / "out" / "manifest.csv").read_text() == "my own table"


def test_a_folder_keeps_the_results_of_the_command_that_made_it(wplus, portrait, tmp_path):
    wplus("align", portrait, "-o", tmp_path / "out", "--size", 64)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in files(tmp_path / "out")}
    code, _, err = wplus("invert", portrait, "-o", tmp_path / "out", "--steps", 0)
    assert code == 1
    assert "holds the results of another command (astronaut.png)" in err
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files(tmp_path / "out")} == before


def test_file_names_need_not_be_utf_8(wplus, portrait, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.jpg")
    (folder / name).write_bytes(portrait.read_bytes())
    (folder / "b c.jpg").write_bytes(portrait.read_bytes())
    for status in ("done", "skipped"):
        code, out, _ = wplus("align", folder, "-o", tmp_path / "out", "--size", 32)
        assert (code, out) == (0, f"{tmp_path / 'out'}: 2 {status} of 2\n")


def test_all_faces_of_a_photograph_are_numbered(wplus, portrait, tmp_path):
    face = Image.open(portrait)
    both = Image.new("RGB", (1024, 512))
    both.paste(face, (0, 0))
    both.paste(face.resize((400, 400)), (512, 50))
    both.save(tmp_path / "two.png")
    assert wplus("align", tmp_path / "two.png", "-o", tmp_path / "out", "--all", "--size", 32)[0] == 0
    assert [name for name in files(tmp_path / "out") if name.endswith("png")] == ["two-0.png", "two-1.png"]
    code, _, err = wplus("align", tmp_path / "two.png", "-o", tmp_path / "one", "--face", 2)
    assert code == 1
    assert "no face number 2" in err


def test_ctrl_c_keeps_every_picture_of_a_batch(wplus, portrait, tmp_path, pressing_ctrl_c):
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.jpg").write_bytes(portrait.read_bytes())
    with pressing_ctrl_c:
        assert wplus("invert", tmp_path / "in", "-o", tmp_path / "out", "--batch", 2, *QUICK)[0] == 130
    statuses = [row["status"] for row in manifest(tmp_path / "out").values()]
    assert statuses == ["interrupted", "interrupted"]
    code, out, _ = wplus("invert", tmp_path / "in", "-o", tmp_path / "out", "--batch", 2, *QUICK)
    assert (code, out) == (0, f"{tmp_path / 'out'}: 3 done of 3\n")


def test_odd_numbers_are_usage_errors(wplus, portrait, latents, tmp_path):
    invert = ("invert", portrait, "-o", tmp_path / "out")
    for words in (
        ("--pixel-weight", "nan"),
        ("--beta1", "2"),
        ("--epsilon", "-1"),
        ("--seed", 2**70),
        ("--taps", "conv9_1"),
    ):
        assert wplus(*invert, *words)[0] == 2, words
    assert wplus("morph", *latents[:2], "-o", tmp_path / "m.gif", "--seconds", "1e9")[0] == 2
    assert not (tmp_path / "out").exists()


def test_a_folder_can_be_rendered_into_twice_and_suffixes_may_be_large(wplus, latents, tmp_path):
    for _ in range(2):
        assert wplus("render", *latents, "-o", tmp_path / "out")[0] == 0
    assert wplus("render", latents[0], "-o", tmp_path / "X.NPY")[0] == 0
    assert np.load(tmp_path / "X.NPY").shape == (3, 64, 64)
    assert files(tmp_path / "out") == ["0.png", "1.png", "2.png"]


def test_no_result_takes_the_place_of_what_it_is_made_of(wplus, latents, tmp_path):
    names = [tmp_path / path.name for path in latents]
    for path, name in zip(latents, names, strict=True):
        name.write_bytes(path.read_bytes())
    photo = tmp_path / "photo.png"
    Image.new("RGB", (32, 32)).save(photo)
    before = {path: path.read_bytes() for path in (photo, *names)}
    for output, words in (
        (names[0], ("morph", *names[:2])),
        (names[1], ("crossover", *names[:2])),
        (names[2], ("express", *names)),
        (names[0], ("render", names[0])),
        (photo, ("restore", photo, names[0])),
    ):
        code, _, err = wplus(*words, "-o", output)
        assert (code, err) == (1, f"wplus: cannot write over {output}: it is an input; give another name\n")
    assert {path: path.read_bytes() for path in before} == before


def test_numbers_that_are_none_name_their_option(wplus, latents, tmp_path):
    for words, option in (
        (("express", *latents, "--strength", "nan"), "--strength"),
        (("morph", *latents[:2], "--weight", "inf"), "--weight"),
        (("sample", "--psi", "nan"), "--psi"),
        (("edit-region", *latents[:2], "--strength", "nan"), "--strength"),
        (("edit-region", *latents[:2], "--strength", "1.5"), "--strength"),
        (("sample", "--seed", 2**64), "--seed"),
    ):
        code, _, err = wplus(*words, "-o", tmp_path / "out.png")
        assert code == 2
        assert f"Invalid value for '{option}'" in err


def test_two_latents_do_not_go_into_one_picture(wplus, latents, tmp_path):
    code, _, err = wplus("render", *latents, "-o", tmp_path / "out.png")
    assert code == 2
    assert err.endswith("out.png is one file, 3 latents need a folder; see `wplus render --help`\n")


def test_a_folder_that_is_gone_is_said(tmp_path):
    script = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; {SCRIPT} info faces-64"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "wplus: the folder that this is called in is gone; change to another\n"


def test_codes_of_ones_own_generator_ask_for_its_file(wplus, tmp_path, mini):
    mini.save(tmp_path / "mini" / "generator.safetensors")
    given = ("--generator", tmp_path / "mini" / "generator.safetensors")
    assert wplus("sample", *given, "-o", tmp_path / "samples", "--count", 1)[0] == 0
    latent = tmp_path / "samples" / "seed0000.safetensors"
    code, _, err = wplus("render", latent, "-o", tmp_path / "a.png")
    assert code == 1
    assert err.endswith("give the latent's generator by --generator FILE\n")
    assert wplus("render", latent, "-o", tmp_path / "a.png", *given)[0] == 0


def write_shades(folder):
    """Enough pictures for training to begin, 16 px, each of one colour."""
    folder.mkdir()
    shades = np.random.default_rng(0).integers(0, 255, (110, 1, 1, 3), dtype=np.uint8)
    for index, shade in enumerate(shades):
        Image.fromarray(np.broadcast_to(shade, (16, 16, 3)).copy()).save(folder / f"{index}.png")


def test_training_ends_in_a_generator_and_can_be_gone_on_with(wplus, tmp_path):
    import torchvision
    from safetensors.torch import save_file

    write_shades(tmp_path / "faces")
    save_file(torchvision.models.squeezenet1_1().state_dict(), tmp_path / "squeezenet.safetensors")
    command = ["train", tmp_path / "faces", "-o", tmp_path / "run", "--features", tmp_path / "squeezenet.safetensors"]
    command += ["--resolution", 16, "--batch", 8, "--warm-images", 16, "--every", 16]
    command += ["--judge-images", 8, "--terms", "a test"]
    assert wplus(*command, "--images", 40)[0] == 0
    code, out, err = wplus(*command, "--images", 56)
    assert (code, out) == (0, f"{tmp_path / 'run' / 'generator.safetensors'}\n")
    assert "going on at 40 pictures" in err
    told = wplus("info", tmp_path / "run" / "generator.safetensors")[1]
    assert "terms               a test" in told
    assert "images_seen 56," in told
    code, _, err = wplus("train", tmp_path / "run", "-o", tmp_path / "other", "--resolution", 16)
    assert code == 1
    assert "expected a square of 16 px" in err
    assert wplus(*command, "--resolution", 24)[0] == 2


def test_an_inversion_can_start_from_a_latent(wplus, portrait, latents, tmp_path, mini):
    words = ("invert", portrait, "-o", tmp_path / "out", "--steps", 0, "--start")
    assert wplus(*words, latents[1])[0] == 0
    found = Latent.load(tmp_path / "out" / "astronaut.safetensors")
    assert torch.equal(found.ws, Latent.load(latents[1]).ws)
    assert wplus(*words, latents[2])[1] == f"{tmp_path / 'out'}: 1 done of 1\n"  # another start is another job
    join([Latent.load(path) for path in latents[:2]]).save(tmp_path / "two.safetensors")
    assert "holds 2 codes, expected one" in wplus(*words, tmp_path / "two.safetensors")[2]
    mini.sample(0).save(tmp_path / "mini.safetensors")
    assert "belongs to generator mini" in wplus(*words, tmp_path / "mini.safetensors")[2]
    assert "nothing: no such file" in wplus(*words, "nothing")[2]


def test_a_value_of_another_method_asks_for_that_method(wplus, portrait, tmp_path):
    words = ("invert", portrait, "-o", tmp_path / "out", "--steps", 0)
    help_ = "see `wplus invert --help`"
    for changed, refusal in {
        ("--learning-rate", 0.02): "the method quasi-newton has no --learning-rate; it goes with --method adam",
        ("--preset", "paper", "--history", 9): "the method adam has no --history; it goes with --method quasi-newton",
        ("--history", 9, "--beta1", 0.5): "the method quasi-newton has no --beta1; it goes with --method adam",
        ("--method", "projector", "--beta1", 0.5): "the method projector has no --beta1; it goes with --method adam",
    }.items():
        assert wplus(*words, *changed) == (2, "", f"wplus: {refusal}; {help_}\n")
    assert wplus(*words, "--method", "adam", "--learning-rate", 0.02)[0] == 0
    settings = Latent.load(tmp_path / "out" / "astronaut.safetensors").origin.settings
    assert (settings["method"], settings["learning_rate"], settings["steps"]) == ("adam", 0.02, 0)


def test_an_encoder_is_trained_and_answers_at_once(wplus, portrait, tmp_path, mini):
    mini.card = replace(mini.card, perceptual="vgg-slim")
    generator = tmp_path / "mini.safetensors"
    mini.save(generator)
    write_shades(tmp_path / "faces")
    command = ("train-encoder", generator, tmp_path / "faces", "-o", tmp_path / "run", "--batch", 8, "--every", 16)
    code, out, err = wplus(*command, "--images", 16)
    assert (code, out) == (0, f"{tmp_path / 'run' / 'encoder.safetensors'}\n"), err
    code, out, err = wplus(*command, "--images", 32)
    file = tmp_path / "run" / "encoder.safetensors"
    assert (code, out) == (0, f"{file}\n")
    assert "going on at 16 pictures" in err

    words = ("invert", portrait, "--generator", generator, "-o", tmp_path / "out", "--method", "encoder")
    code, out, err = wplus(*words)
    assert (code, err) == (1, "wplus: no encoder ships with mini; train one with `wplus train-encoder`\n")
    assert wplus(*words, "--encoder", file)[0] == 0
    found = Latent.load(tmp_path / "out" / "astronaut.safetensors")
    assert (found.origin.settings["start"], found.origin.settings["steps_done"]) == ("encoder", 0)
    assert wplus(*words, "--encoder", file)[1] == f"{tmp_path / 'out'}: 1 skipped of 1\n"
    assert "encoder" in wplus("info", file)[1]


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (("info", "faces-64"), "resolution", 64),
        (("info", "--machine"), "cores", os.cpu_count()),
        (("models", "show", "vgg-slim"), "here", "shipped"),
    ],
)
def test_facts_are_told_as_json(wplus, words, key, value):
    code, out, _ = wplus(*words, "--json")
    assert code == 0
    assert json.loads(out)[key] == value


def test_lists_are_told_as_json(wplus, latents):
    code, out, _ = wplus("models", "--json")
    assert code == 0
    assert {"faces-64", "vgg-slim"} <= {entry["name"] for entry in json.loads(out)}
    code, out, _ = wplus("measure", *latents[:2], "--metric", "mse", "--json")
    assert code == 0
    (mse,) = (figure for figure in json.loads(out) if figure["quantity"]["name"] == "mse")
    assert mse["mean"] > 0
    assert mse["count"] == 1
