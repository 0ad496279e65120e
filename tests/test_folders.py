"""Folders of results: what is known of them from wherever a command is called, and what it costs to know it."""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from wplus.core.errors import OutputError
from wplus.core.source import source_sum
from wplus.pipelines.folder import Unfinished
from wplus.pipelines.folder.jobs import run
from wplus.pipelines.folder.manifest import Outcome

SETTINGS = {"steps": 3}


def write_photos(folder, count):
    folder.mkdir(parents=True)
    for index in range(count):
        (folder / f"{index:05}.png").write_bytes(b"%d" % index)


def working(done):
    """Work that writes a result for every job, and notes which."""

    def work(jobs, todo):
        for job in todo:
            done.append(job.source)
            job.stem.parent.mkdir(exist_ok=True)
            job.stem.with_suffix(".safetensors").touch()
            yield job, Outcome("done", f"{job.stem.name}.safetensors")

    return work


def go(inputs, folder, settings=SETTINGS):
    """Run; gives what was done, and the summary."""
    done = []
    return done, run(inputs, folder, settings=settings, suffix=".safetensors", work=working(done))


def table(folder):
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_groups_that_were_begun_are_known_from_wherever_the_command_is_called(tmp_path, monkeypatch):
    write_photos(tmp_path / "photos", 4)
    monkeypatch.chdir(tmp_path)

    def groups(photos, folder, wanted):
        keys = {photo: f"key of {photo.name}" for photo in photos}
        found = Unfinished(folder).groups(keys, wanted, asked=None, batch=lambda: 3)
        return [[photo.name for photo in group.photos] for group in found], [group.state.name for group in found]

    here = sorted(Path("photos").iterdir())
    names, states = groups(here, Path("out"), here)
    assert [len(group) for group in names] == [3, 1]
    there = sorted((tmp_path / "photos").iterdir())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert groups(there, tmp_path / "out", there[1:]) == (names, states)
    up = sorted(Path("../photos").iterdir())
    assert groups(up, Path("../out"), up[1:]) == (names, states)


def test_a_rerun_from_another_folder_skips_what_is_done(tmp_path, monkeypatch):
    write_photos(tmp_path / "photos", 3)
    monkeypatch.chdir(tmp_path)
    assert len(go([Path("photos")], Path("out"))[0]) == 3
    monkeypatch.chdir(tmp_path / "photos")
    done, summary = go([tmp_path / "photos"], Path("../out"))
    assert (done, summary.counts) == ([], {"skipped": 3})


@pytest.mark.parametrize("other", ["photos/../photos/00000.png", "link.png", "./photos/00000.png", "photos"])
def test_one_photograph_under_two_spellings_is_done_once(tmp_path, monkeypatch, other):
    write_photos(tmp_path / "photos", 1)
    monkeypatch.chdir(tmp_path)
    Path("link.png").symlink_to(Path("photos/00000.png"))
    done, summary = go([Path("photos/00000.png"), Path(other)], Path("out"))
    assert (len(done), summary.counts, len(table(tmp_path / "out"))) == (1, {"done": 1}, 1)
    assert go([Path(other), Path("photos/00000.png")], tmp_path / "out")[1].total == 1


@pytest.mark.parametrize("cut", [1, 9, 25])
def test_a_torn_last_line_of_the_table_is_done_again_and_no_other(tmp_path, cut):
    write_photos(tmp_path / "photos", 5)
    go([tmp_path / "photos"], tmp_path / "out")
    file = tmp_path / "out" / "manifest.csv"
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])  # killed while it wrote
    Unfinished(tmp_path / "out").begin()  # and before it could tidy up
    done, summary = go([tmp_path / "photos"], tmp_path / "out")
    assert {photo.name for photo in done} <= {"00004.png"}
    assert summary.counts["skipped"] >= 4
    assert file.read_bytes() == whole


def test_only_inputs_whose_own_settings_changed_are_done_again(tmp_path):
    write_photos(tmp_path / "photos", 4)
    masks = {"00002.png": "old"}
    assert len(go([tmp_path / "photos"], tmp_path / "out", lambda photo: {"mask": masks.get(photo.name, "")})[0]) == 4
    masks |= {"00002.png": "new"}
    done, _ = go([tmp_path / "photos"], tmp_path / "out", lambda photo: {"mask": masks.get(photo.name, "")})
    assert [photo.name for photo in done] == ["00002.png"]


def test_planning_and_recording_grow_with_the_number_of_photographs_and_not_with_its_square(tmp_path):
    """All calls of functions are counted, those of Python and those of C."""
    counts = {}
    for number in (100, 400):
        photos, calls = tmp_path / f"photos{number}", Counter()
        write_photos(photos, number)

        def count(frame, event, argument, calls=calls):
            calls[event] += 1

        for turn in ("first", "again", "other settings"):
            settings = SETTINGS | {"turn": turn == "other settings"}
            calls.clear()
            sys.setprofile(count)
            try:
                go([photos], tmp_path / f"out{number}", settings)
            finally:
                sys.setprofile(None)
            counts[number, turn] = calls["call"] + calls["c_call"]
    for turn in ("first", "again", "other settings"):
        assert counts[400, turn] < 5 * counts[100, turn], counts  # a square would give 16 times as many


def test_groups_of_many_photographs_are_planned_in_calls_that_grow_with_their_number(tmp_path):
    counts = []
    for number in (200, 800):
        photos = [tmp_path / f"{index}.png" for index in range(number)]
        keys, calls = {photo: str(photo) for photo in photos}, Counter()

        def count(frame, event, argument, calls=calls):
            calls[event] += 1

        for wanted in (photos, photos[::2]):  # begun, then gone on with
            sys.setprofile(count)
            try:
                Unfinished(tmp_path / str(number)).groups(keys, wanted, asked=None, batch=lambda: 8)
            finally:
                sys.setprofile(None)
        counts.append(calls["call"] + calls["c_call"])
    assert counts[1] < 5 * counts[0], counts


def test_the_key_of_what_studies_keep_changes_with_the_code(tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    sums = set()
    for text in ("a = 1\n", "a = 2\n"):
        (tmp_path / "room" / "__init__.py").write_text(text)
        source_sum.cache_clear()
        sums.add(source_sum("room"))
        assert source_sum("room") in sums
    assert len(sums) == 2
    source_sum.cache_clear()
    assert source_sum("wplus.core") != source_sum("wplus.models")


def test_a_second_run_into_a_folder_is_refused_and_a_killed_one_holds_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("WPLUS_CACHE", str(tmp_path / "cache"))
    write_photos(tmp_path / "one", 2)
    write_photos(tmp_path / "two", 2)
    program = (
        "import os, sys; from pathlib import Path; from wplus.pipelines.folder.jobs import run\n"
        "def work(jobs, todo):\n    print('begun', flush=True); sys.stdin.read(); yield from ()\n"
        "run([Path('one')], Path('out'), settings={}, suffix='.safetensors', work=work)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "begun\n"
        with pytest.raises(OutputError, match="out: another run writes into it"):
            go([tmp_path / "two"], tmp_path / "out")
        assert len(go([tmp_path / "two"], tmp_path / "elsewhere")[0]) == 2
    finally:
        other.kill()
        other.communicate()
    assert len(go([tmp_path / "two"], tmp_path / "out")[0]) == 2


def test_what_is_no_picture_is_counted_and_named(tmp_path):
    write_photos(tmp_path / "photos", 1)
    for name in ("clip.mov", "notes.txt", ".hidden"):
        (tmp_path / "photos" / name).touch()
    told = []
    run(
        [tmp_path / "photos"], tmp_path / "out", settings={}, suffix=".safetensors", work=working([]), note=told.append
    )  # fmt: skip
    assert told == ["passed over 2 files that are no pictures: clip.mov, notes.txt"]
