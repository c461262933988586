"""Files that are whole or absent: full disks, permissions, odd names, kills."""

import errno
import os
import signal
import stat
import sys
from pathlib import Path

import pytest
from disk_support import fill, small_disk

from prunelimit import PruneLimitError, files

LONG = "n" * 250  # a file system takes 255 bytes
ODD = [
    "a b",
    "{task}",
    "[red]",
    "%s%%d",
    "*?",
    "'\"`$(x)",
    "new\nline",
    "\x1b[1m",
    "#a&b",
    "雪",
    LONG,
]


@pytest.fixture
def umask():
    """Sets the process's umask, and puts the old one back."""
    old = os.umask(0o022)
    yield os.umask
    os.umask(old)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_new_files_follow_the_umask_and_old_ones_keep_theirs(tmp_path, umask, mask, mode) -> None:
    umask(mask)
    files.write_text(tmp_path / "new", "x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == mode
    (tmp_path / "new").chmod(0o640)
    files.write_text(tmp_path / "new", "y")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ODD)
def test_any_name_that_a_file_system_takes(tmp_path, name: str) -> None:
    path = files.prepare_output(tmp_path / name / name)
    files.write_text(path, name)
    files.write_text(path, name)
    assert path.read_text() == name
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        files.write_text(disk / "report.json", "old")
        fill(disk)
        with pytest.raises(OSError, match="No space left") as full:
            files.write_text(disk / "report.json", "new" * 5000)
        assert (disk / "report.json").read_text() == "old"
        assert {path.name for path in disk.iterdir()} == {"report.json", "filler"}
        assert "make room" in files.explained(full.value)
        assert str(disk / "report.json") in files.explained(full.value)


def killed_while_writing(target: Path, moment: str) -> None:
    """A process that writes to `target` and is killed when it calls `os.moment`."""
    child = os.fork()
    if child == 0:
        setattr(files.os, moment, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        files.write_text(target, "new" * 100_000)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_while_writing_leaves_the_old_file_and_the_next_write_clears(
    tmp_path, moment: str
) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    killed_while_writing(target, moment)
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2, "what the killed process had written"
    files.write_text(tmp_path / "b.txt", "another file in the same folder")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "b.txt"}
    killed_while_writing(target, moment)
    files.prepare_output(target)
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "b.txt"}


def test_only_what_nobody_writes_is_cleared(tmp_path) -> None:
    others = [tmp_path / ".part-mine", tmp_path / f".part-{'0' * 16}", tmp_path / f".part-{1:016}"]
    others[0].touch()
    others[1].mkdir()
    others[2].symlink_to(os.devnull)
    os.mkfifo(tmp_path / f".part-{2:016}")
    ours, theirs = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:

        def wait(descriptor: int) -> None:
            files.os.fsync = fsync
            os.write(ours[1], b".")
            os.read(theirs[0], 1)

        fsync, files.os.fsync = os.fsync, wait
        files.write_text(tmp_path / "slow", "slow")
        os._exit(0)
    os.read(ours[0], 1)
    files.write_text(tmp_path / "fast", "fast")
    os.write(theirs[1], b".")
    assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "slow").read_text() == "slow"
    assert len(list(tmp_path.iterdir())) == 6
    for descriptor in (*ours, *theirs):
        os.close(descriptor)


def test_a_part_that_another_process_removes_is_written_again(tmp_path, monkeypatch) -> None:
    """Between making a part and locking it there is a moment in which it looks abandoned."""
    locked, removed = files._locked, []

    def late(descriptor: int) -> bool:
        if len(removed) < 2:
            removed.extend(tmp_path.glob(".part-*"))
            removed[-1].unlink()
        return locked(descriptor)

    monkeypatch.setattr(files, "_locked", late)
    files.write_text(tmp_path / "a.txt", "whole")
    assert len(removed) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_many_processes_write_to_one_file(tmp_path) -> None:
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            for _ in range(50):
                files.write_text(tmp_path / "a.txt", str(number) * 1000)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    content = (tmp_path / "a.txt").read_text()
    assert content in [str(number) * 1000 for number in range(4)]


def test_links_stay_links_and_devices_devices(tmp_path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    files.write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there" / "file").read_text() == "x"
    files.write_text(files.prepare_output(os.devnull), "x")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "it is a folder; name a file"),
        ("file/report.json", "a part of the name is a file"),
        ("n" * 300, "take a shorter name"),
    ],
)
def test_what_cannot_be_written_is_known_before(tmp_path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(PruneLimitError, match=message):
        files.prepare_output(tmp_path / name)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc refuses to make folders on Linux")
def test_a_folder_that_cannot_be_made_is_known_before() -> None:
    with pytest.raises(PruneLimitError, match=r"cannot write '/proc/none/report.json'"):
        files.prepare_output(Path("/proc/none/report.json"))


def test_preparing_leaves_nothing_but_the_folder(tmp_path) -> None:
    files.prepare_output(tmp_path / "new" / "report.json")
    files.prepare_folder(tmp_path / "other" / "place")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "other", "place"]


def test_errors_without_a_number_are_said_as_they_are() -> None:
    assert files.explained(OSError("odd")) == "odd"
    assert "check the name" in files.explained(FileNotFoundError(errno.ENOENT, "gone", "x"))
