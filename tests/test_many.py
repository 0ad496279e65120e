"""Many photographs: groups that a killed run computes again to the same bits, readers, several workers, memory."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wplus.core import WplusError
from wplus.optimisation import Settings
from wplus.pipelines.folder import (
    Group,
    Here,
    Processes,
    Reading,
    Recipe,
    Unfinished,
    batch_size,
    executor_for,
    invert_groups,
    memory,
)
from wplus.pipelines.folder.reading import read_groups
from wplus.pipelines.folder.state import load_state, save_state

SCRIPT = Path(sys.executable).parent / "wplus"

PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""
"""A program that runs a command and prints its status and the most bytes it held."""


@pytest.fixture(scope="module")
def network(tmp_path_factory, mini):
    """The file of a generator of 16 px."""
    path = tmp_path_factory.mktemp("network") / "mini.safetensors"
    card, mini.card = mini.card, replace(mini.card, perceptual="vgg-slim")
    mini.save(path)
    mini.card = card
    return path


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Eight pictures of noise, one file that is none among them."""
    folder = tmp_path_factory.mktemp("crops")
    values = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3), dtype=np.uint8)
    for index, picture in enumerate(values):
        Image.fromarray(picture).save(folder / f"{index}.png")
    (folder / "4b.png").write_text("I am no picture")
    return folder


@pytest.fixture(scope="module")
def command(network, crops):
    """Start the installed command on all crops, three at a time; a process with a session of its own."""

    def start(folder, *words):
        line = (SCRIPT, "invert", crops, "--crop", "-o", folder, "--generator", network, "--steps", 100, "--batch", 3)
        return subprocess.Popen(
            [*map(str, line + words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # then several workers find the very same bits
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    return start


@pytest.fixture(scope="module")
def whole(command, tmp_path_factory):
    """What lies in the folder of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")  # as deep as the others: inputs are told by the way to them
    code, out, err = end(command(folder))
    assert (code, out) == (1, f"{folder}: 8 done, 1 failed of 9\n"), err
    return contents(folder)


@pytest.fixture(scope="module")
def recipe(network):
    return Recipe(str(network), settings=Settings(steps=4))


def end(process):
    """Exit code, standard output and error of a command that has come to its end, or will."""
    out, err = process.communicate()
    return process.returncode, out, err


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wait_for(condition, process):
    """Until something is there, or the process has ended before."""
    for _ in range(6000):
        if condition() or process.poll() is not None:
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def children(pid):
    """The processes that a process started, and those that they started."""
    own = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return own + [other for child in own for other in children(child)]


def alive(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def worked(pid):
    """Seconds of the processor that a process has had."""
    status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(status[11]) + int(status[12])) / os.sysconf("SC_CLK_TCK")


def test_a_killed_run_ends_with_the_files_of_an_undisturbed_one(command, whole, tmp_path):
    moments = (
        lambda: (tmp_path / ".unfinished" / "groups.json").exists(),  # before anything is done
        lambda: (tmp_path / "1.safetensors").exists(),  # in the midst of a group's files
        lambda: (tmp_path / "3.safetensors").exists(),
    )
    for moment in moments:
        process = command(tmp_path)
        wait_for(moment, process)
        process.kill()
        assert end(process)[0] == -signal.SIGKILL
    (tmp_path / ".wplus-half.png").write_text("half a file")
    code, _, err = end(command(tmp_path))
    assert code == 1, err
    assert contents(tmp_path) == whole


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_keeps_the_running_group_and_a_rerun_ends_with_the_same_files(command, whole, tmp_path):
    process = command(tmp_path)
    wait_for((tmp_path / "2.png").exists, process)
    before = worked(process.pid)
    wait_for(lambda: worked(process.pid) > before + 0.1, process)  # the second group is under way
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
    code, _, err = end(process)
    assert code == 130, err
    assert err.splitlines()[-1] == "wplus: interrupted"
    assert "Traceback" not in err
    assert len(list((tmp_path / ".unfinished").glob("*.safetensors"))) == 2  # of three, one is no picture
    assert end(command(tmp_path))[0] == 1
    assert contents(tmp_path) == whole


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_leave_no_orphans_and_what_ctrl_c_broke_off_goes_on_to_the_same_files(command, whole, tmp_path, how):
    process = command(tmp_path, "--workers", 2)
    wait_for((tmp_path / "2.png").exists, process)
    family = children(process.pid)
    assert len(family) >= 2
    process.send_signal(how)  # to the first process alone
    code, _, err = end(process)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in err
    for _ in range(500):
        if not any(map(alive, family)):
            break
        time.sleep(0.01)
    assert not [pid for pid in family if alive(pid)]
    if how == signal.SIGINT:
        assert end(command(tmp_path))[0] == 1
        assert contents(tmp_path) == whole


def test_groups_are_kept_until_all_of_them_are_done(tmp_path):
    keys = {Path(name): f"key of {name}" for name in "abcdefg"}
    photos = list(keys)
    first = Unfinished(tmp_path).groups(keys, photos, asked=None, batch=lambda: 3)
    assert [[str(photo) for photo in group.photos] for group in first] == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    left = [Path(name) for name in "fgh"]
    keys[Path("h")] = "a new one"
    again = Unfinished(tmp_path).groups(keys, left, asked=None, batch=lambda: 1)
    assert [group.photos for group in again] == [first[1].photos, first[2].photos, (Path("h"),)]
    assert again[0].wanted == {Path("f")}
    assert again[0].key == first[1].key
    changed = keys | {Path("d"): "another picture"}
    other = Unfinished(tmp_path).groups(changed, left, asked=None, batch=lambda: 2)
    assert [group.photos for group in other] == [(Path("g"),), (Path("h"),), (Path("f"),)]
    asked = Unfinished(tmp_path).groups(keys, left, asked={"batch": 2}, batch=lambda: 2)
    assert [len(group.photos) for group in asked] == [2, 1]
    Unfinished(tmp_path).plan.write_text("{")
    assert [len(group.photos) for group in Unfinished(tmp_path).groups(keys, left, asked=None, batch=lambda: 3)] == [3]
    Unfinished(tmp_path).end()
    assert list(tmp_path.iterdir()) == []


def test_a_groups_state_comes_back_whole_or_not_at_all(recipe, crops, tmp_path):
    prepared, reading = recipe.on("cpu"), Reading(16, cropped=True)
    pictures = [reading(crops / f"{index}.png") for index in range(3)]

    broken = prepared(pictures, stop=lambda record: record.step == 2)
    save_state(tmp_path / "state", broken.progress, pictures=3, key="k")
    resume = load_state(tmp_path / "state", pictures=3, key="k")
    assert torch.equal(prepared(pictures, resume=resume).latent.ws, prepared(pictures).latent.ws)
    assert load_state(tmp_path / "state", pictures=3, key="other") is None
    further = replace(broken.progress, step=4)
    save_state(tmp_path / "later", further, pictures=3, key="k")
    (tmp_path / "later-1.safetensors").replace(tmp_path / "state-1.safetensors")
    assert load_state(tmp_path / "state", pictures=3, key="k") is None


def test_readers_give_what_this_process_reads_and_a_killed_one_costs_nothing(crops):
    photos = sorted(crops.iterdir())
    groups, reading = Group.chunks(photos, 2), Reading(16, cropped=True)
    here = list(read_groups(groups, reading, workers=0))
    there = read_groups(groups, reading, workers=2)
    found = [next(there)]
    for child in multiprocessing.active_children():
        os.kill(child.pid, signal.SIGKILL)
    found += there
    assert not multiprocessing.active_children()
    found.sort(key=lambda pair: pair[0].photos)
    unharmed = sorted(read_groups(groups, reading, workers=1), key=lambda pair: pair[0].photos)
    for (group, expected), *others in zip(here, found, unharmed, strict=True):
        for other, given in others:
            assert other == group
            for one, two in zip(expected, given, strict=True):
                if isinstance(one, WplusError):
                    assert str(one) == str(two)
                else:
                    assert torch.equal(one.picture, two.picture)
                    assert one.alignment == two.alignment


def test_no_process_is_started_for_a_few_photographs_or_where_it_would_take_the_optimisers_processor(monkeypatch):
    alone = [Group.chunks([Path(str(index)) for index in range(count)], 1) for count in (1, 2, 200)]
    for threads, expected in ((2, [0, 0, 0]), (4, [0, 0, 1]), (16, [0, 0, 4])):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert [Reading(64).workers(groups) for groups in alone] == expected


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_several_workers_find_what_one_finds(recipe, crops, one_thread):
    groups, reading = Group.chunks(sorted(crops.iterdir()), 2), Reading(16, cropped=True)
    prepared = recipe.on("cpu")
    assert isinstance(executor_for(recipe, prepared, groups=1, workers=2), Here)
    several = executor_for(recipe, prepared, groups=5, workers=2)
    assert several == Processes(recipe, ["cpu", "cpu"])
    here = {found.photo: found for found in invert_groups(groups, reading, Here(prepared), workers=0)}
    there = {found.photo: found for found in invert_groups(groups, reading, several, workers=0)}
    assert here.keys() == there.keys()
    for photo, found in here.items():
        if photo.name == "4b.png":
            assert "not a picture" in found.reason
            assert found.reason == there[photo].reason
        else:
            assert torch.equal(found.latent.ws, there[photo].latent.ws)


def test_a_worker_that_dies_is_one_line_a_photograph_and_the_others_go_on(recipe, crops):
    photos = [crops / f"{index}.png" for index in range(6)]
    endless = replace(recipe, settings=Settings(steps=1_000_000))
    found = []
    for group in ([photos[:2], photos[2:4]], [photos[4:]]):
        chosen = endless if len(group) == 2 else recipe
        stream = invert_groups(
            [Group(tuple(pair), frozenset(pair)) for pair in group],
            Reading(16, cropped=True),
            functools.partial(_killing, Processes(chosen, ["cpu"]))
            if chosen is endless
            else Processes(chosen, ["cpu"]),
            workers=0,
        )
        found += list(stream)
    assert [item.photo for item in found] == photos
    killed = "the worker process was killed (SIGKILL)"
    assert [item.reason for item in found[:2]] == [f"{photo}: {killed}; run the command again" for photo in photos[:2]]
    assert all("no worker process is left" in item.reason for item in found[2:4])
    assert all(item.latent is not None for item in found[4:])


def _killing(executor, tasks):
    """An executor whose worker is killed when it has its task."""

    def watched():
        for number, task in enumerate(tasks):
            if number == 0:
                (child,) = multiprocessing.active_children()
                os.kill(child.pid, signal.SIGKILL)
            yield task

    return executor(watched())


def test_the_batch_is_the_largest_that_was_measured_to_fit(recipe, crops, monkeypatch):
    prepared, tried = recipe.on("cpu"), []
    monkeypatch.setattr(memory, "in_use", lambda device: 1000)
    monkeypatch.setattr(memory, "_try", lambda prepared, crops: tried.append(len(crops)))

    def peak(work, device):
        work()
        return 1100 + 50 * tried[-1]

    monkeypatch.setattr(memory, "peak_of", peak)
    photos = sorted(crops.glob("?.png"))
    size = functools.partial(batch_size, prepared, Reading(16, cropped=True), photos)
    assert [size(memory=int(limit / 0.95) + 1) for limit in (1150, 1400, 1500, 1800, 4000)] == [1, 2, 4, 8, 8]
    with pytest.raises(WplusError, match=r"^one picture of mini takes .* GB of memory, more than the .* GB given; "):
        size(memory=1000)
    assert size() == 8
    monkeypatch.setattr(memory, "free", lambda device: 0)
    assert size() == 1
    monkeypatch.undo()
    assert batch_size(prepared, Reading(16, cropped=True), photos[:3]) == 3
    assert batch_size(prepared, Reading(16, cropped=True), [crops / "4b.png"] * 2) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux and CUDA")
def test_memory_holds_or_is_refused_in_one_line(wplus, network, crops, tmp_path):
    given = ("invert", crops, "--crop", "--generator", network, "--steps", 2, "-o", tmp_path / "out")
    code, out, err = wplus(*given, "--memory", "50MB")
    assert (code, out) == (1, "")
    assert "one picture of mini takes" in err.splitlines()[-1]
    assert wplus(*given, "--memory", "much")[0] == 2
    # through a small process: at its start a child counts the peak of who started it as its own
    watched = [sys.executable, "-c", PEAK, *map(str, (SCRIPT, *given)), "--memory", "1.5 GB"]
    code, peak = map(
        int, subprocess.run(watched, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.split()[-2:]
    )
    assert code == 1  # one file is no picture
    assert peak < 1.5e9
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == 8
