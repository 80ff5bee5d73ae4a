from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import iso

import neural_filter as nf


def test_paths_bytes_files_and_threads_give_the_same_sessions(capture: Path, benign: nf.Sessions) -> None:
    frame = pl.DataFrame(benign)
    assert len(benign) == frame.height > 4000 and benign.columns == frame.columns
    with capture.open("rb") as file:
        for other in (str(capture), capture.read_bytes(), io.BytesIO(capture.read_bytes()), file, [capture]):
            assert pl.DataFrame(nf.read_sessions(other)).equals(frame)
    assert pl.DataFrame(nf.read_sessions(capture, threads=2)).equals(frame)


def test_several_captures_are_parts_of_one_recording(capture: Path, benign: nf.Sessions) -> None:
    plain = pa.CompressedInputStream(pa.OSFile(str(capture)), "zstd").read()
    records = [24]
    while records[-1] < len(plain):
        records.append(records[-1] + 16 + int.from_bytes(plain[records[-1] + 8 : records[-1] + 12], "little"))
    middle = records[len(records) // 2]
    halves = [plain[:middle], plain[:24] + plain[middle:]]
    assert pl.DataFrame(nf.read_sessions(halves)).equals(pl.DataFrame(benign))
    assert nf.read_sessions(halves).stats["frames"] == benign.stats["frames"]
    assert sum(len(nf.read_sessions(half)) for half in halves) > len(benign), "apart, sessions are cut"


def test_chosen_sessions_are_counted_anew(benign: nf.Sessions) -> None:
    for some in (benign[3:9], benign[[3, 4, 5, 6, 7, 8]], benign[3:9][:]):
        assert some.stats["packets"] == sum(session.packets for session in some) and some.stats["ended"] == 6
        assert some.stats["wire_bytes"] == sum(session.bytes for session in some)
    assert benign[:].stats == benign.stats


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(cut_capture())
    with path.open("rb") as file:
        for source, name in [
            (cut_capture(), "bytes: "),
            (io.BytesIO(cut_capture()), "BytesIO: "),
            (file, f"{path}: "),
            (path, f"{path}: "),
            ([path.read_bytes()[:24], cut_capture()], r"bytes \(2 of 2\): "),
        ]:
            with pytest.raises(nf.CaptureError, match=f"^{name}packet 3 at byte"):
                nf.read_sessions(source)  # type: ignore[arg-type]


def test_frames_of_every_library_share_the_numbers(benign: nf.Sessions) -> None:
    frame, table = pl.DataFrame(benign), pa.table(benign)
    pandas = pd.DataFrame.from_arrow(benign)
    assert frame.shape == table.shape == pandas.shape
    assert pandas["duration"].to_numpy().tolist() == frame["duration"].to_list()
    first = table["duration"].chunk(0).buffers()[1].address
    assert pa.table(benign)["duration"].chunk(0).buffers()[1].address == first
    assert frame["duration"].to_arrow().buffers()[1].address == first
    assert pa.schema(benign) == table.schema


def test_rows_are_chosen_as_in_numpy(benign: nf.Sessions) -> None:
    packets = pl.DataFrame(benign)["packets"].to_numpy()
    mask = packets > 20
    chosen = benign[mask]
    assert len(chosen) == mask.sum() and all(session.packets > 20 for session in chosen)
    assert len(benign[pl.DataFrame(benign)["packets"] > 20]) == mask.sum()
    assert str(benign[-1]) == str(benign[len(benign) - 1]) and len(benign[10:20]) == 10
    assert str(benign[10:20][2:][0]) == str(benign[12]) and str(benign[::-1][0]) == str(benign[-1])
    assert [str(session) for session in benign[[3, 1]]] == [str(benign[3]), str(benign[1])]
    assert len(benign[[]]) == 0 and pl.DataFrame(benign[[]]).height == 0
    with pytest.raises(IndexError, match="row 4781 of 4781"):
        benign[len(benign)]
    with pytest.raises(IndexError, match="the mask has 3 values for 4781 rows"):
        benign[np.zeros(3, dtype=bool)]
    for wrong in ("packets", True, np.bool_(True), 1.0, [1.5]):
        with pytest.raises(TypeError, match="rows are chosen by a number, a slice, a mask"):
            benign[wrong]  # type: ignore[index]
    for far in (2**70, -(2**70), np.array([2**64 - 1], dtype=np.uint64)):
        with pytest.raises(IndexError, match="row -?[0-9]+ of 4781"):
            benign[far]
    assert str(benign[np.uint64(3)]) == str(benign[3]) == str(benign[np.array([3], dtype=np.uint64)][0])


def test_a_session_says_what_it_is(benign: nf.Sessions) -> None:
    row, session = pl.DataFrame(benign).row(0, named=True), benign[0]
    assert (session.protocol, session.packets, session.bytes) == (row["protocol"], row["packets"], row["bytes"])
    assert session.orig == (row["orig_addr"], row["orig_port"]) and session.resp[0] == row["resp_addr"]
    assert session.outcome == row["outcome"] and session.end_reason == row["end_reason"]
    assert session.start == pytest.approx(session.start_ns / 1e9) and session.end_ns >= session.start_ns
    assert session.duration == row["duration"] and session.dns_name == row["dns_name"]
    assert "<table>" in benign._repr_html_() and "4781 rows" in benign._repr_html_()
    shown = iso(session.start_ns)
    assert repr(session) == f"<Session {session}>" and str(session).startswith(f"{shown} {session.protocol} ")
    assert f"<td>{shown}</td>" in benign._repr_html_()


def test_packets_are_rows(capture: Path, benign: nf.Sessions) -> None:
    packets = nf.read_packets(capture)
    frame = pl.DataFrame(packets)
    assert frame.height == len(packets) == benign.stats["packets"] and packets.skipped == {}
    assert frame["wire_len"].sum() == benign.stats["wire_bytes"]
    row = frame.row(7, named=True)
    assert packets[7] == {**row, "time": frame["time"].to_physical()[7]} and packets[0]["frame"] == 1
    udp = (frame["protocol"] == "udp").to_numpy()
    assert len(packets[udp]) == udp.sum() and all(row["protocol"] == "udp" for row in packets[udp][:50])
    assert "wire_len" in packets[:2]._repr_html_() and repr(packets[:2]) == "Table(2 rows, 22 columns)"
    assert f"<td>{iso(packets[0]['time'])}</td>" in packets[:2]._repr_html_()


def test_a_stream_gives_all_sessions_in_batches(capture: Path, benign: nf.Sessions) -> None:
    batches = list(nf.stream(capture, batch=1000))
    assert [len(batch) for batch in batches] == [1000] * 4 + [781]
    assert [str(session) for batch in batches for session in batch] == [str(session) for session in benign]
    with pytest.raises(ValueError, match="batch is 0, it must be at least 1"):
        nf.stream(capture, batch=0)


def test_keywords_are_those_of_the_engine(capture: Path) -> None:
    config = nf.SessionConfig(idle_tcp=30, max_packets=8, look_every=None)
    assert config.idle_tcp == 30 and config.idle_udp == nf.SessionConfig().idle_udp and config.look_every is None
    assert nf.read_sessions(capture, config=config).config == config
    assert nf.read_sessions(capture, idle_tcp=30, max_packets=8, look_every=None).config == config
    assert eval(repr(config), {"SessionConfig": nf.SessionConfig}) == config
    with pytest.raises(TypeError, match="not both"):
        nf.read_sessions(capture, config=config, idle_tcp=3)
    with pytest.raises(TypeError, match="idle_tpc"):
        nf.read_sessions(capture, idle_tpc=3)  # type: ignore[call-arg]
    for keyword, message in [
        ({"idle_tcp": 0}, "idle_tcp is 0 s, it must be above 0 s, or None for never"),
        ({"idle_udp": -1}, "idle_udp is -1, it must be seconds"),
        ({"max_packets": 0}, "max_packets is 0, it must be 1 to 65536"),
        ({"key": "pair"}, "key is 'pair', it must be 'five_tuple' or 'host_pair'"),
        ({"look_packets": [1]}, "look_packets is 1, it must be at least 2"),
        ({"max_packets": -1}, "max_packets is -1, it must be 1 to 65536"),
        ({"entropy_bytes": -1}, "entropy_bytes is -1, it must be 1 to 65535"),
        ({"entropy_bytes": 0}, "entropy_bytes is 0, it must be 1 to 65535"),
        ({"tunnels": 300}, "tunnels is 300, it must be 0 to 255"),
        ({"memory_limit": 2**70}, "memory_limit is 1180591620717411303424, it must be at most"),
    ]:
        with pytest.raises(ValueError, match=message):
            nf.SessionConfig(**keyword)  # type: ignore[arg-type]


def test_what_cannot_be_read_is_an_exception_with_its_place(capture: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nope.pcap"):
        nf.read_sessions(tmp_path / "nope.pcap")
    with pytest.raises(OSError, match="Is a directory") as found:
        nf.read_sessions(tmp_path)
    assert isinstance(found.value, IsADirectoryError) and found.value.filename == str(tmp_path)
    with pytest.raises(nf.CaptureError, match="empty, no capture header at byte 0") as error:
        nf.read_sessions(b"")
    assert isinstance(error.value, ValueError) and isinstance(error.value, nf.NfError)
    with pytest.raises(TypeError, match="a capture is a path, bytes or a binary file, not int"):
        nf.read_sessions(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="open the file with mode"):
        nf.read_sessions(io.StringIO("text"))  # type: ignore[arg-type]

    class Broken:
        def read(self, size: int) -> bytes:
            raise PermissionError("not now")

    with pytest.raises(PermissionError, match="not now"):
        nf.read_sessions(Broken())


def cut_capture() -> bytes:
    """Two UDP packets and a third that is cut off."""
    header = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    udp = bytes.fromhex("4500001e000100004011f96e0a0000010a00000203e80035000a0000") + b"hi"
    frame = bytes(12) + b"\x08\x00" + udp

    def record(second: int) -> bytes:
        return second.to_bytes(4, "little") + bytes(4) + 2 * len(frame).to_bytes(4, "little") + frame

    return header + record(1) + record(500) + record(900)[:30]


def test_what_came_before_the_damage_is_there() -> None:
    for source in (cut_capture(), [cut_capture()], [cut_capture(), cut_capture()]):
        with pytest.raises(nf.CaptureError, match=r"packet 3 at byte \d+ is cut off") as error:
            nf.read_sessions(source)
        assert len(error.value.sessions) == 2  # type: ignore[attr-defined]
    batches = nf.stream(cut_capture())
    assert len(next(batches)) == 2
    with pytest.raises(nf.CaptureError, match="packet 3"):
        next(batches)
    with pytest.raises(nf.CaptureError, match="packet 3") as ahead:
        nf.read_sessions(cut_capture(), threads=2)
    assert len(ahead.value.sessions) == 2  # type: ignore[attr-defined]
    with pytest.raises(nf.CaptureError, match="packet 3") as of_packets:
        nf.read_packets(cut_capture())
    assert len(of_packets.value.packets) == 2  # type: ignore[attr-defined]


def test_what_came_before_a_missing_capture_is_there(capture: Path, benign: nf.Sessions, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nope.pcap") as error:
        nf.read_sessions([capture, tmp_path / "nope.pcap"])
    assert len(error.value.sessions) == len(benign)  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError, match="nope.pcap"):
        nf.stream(tmp_path / "nope.pcap")
    assert len(nf.read_sessions([])) == 0


def test_devices_and_pipes_are_read_as_files_are(tmp_path: Path, benign: nf.Sessions, capture: Path) -> None:
    with pytest.raises(nf.CaptureError, match="/dev/null"):
        nf.read_sessions("/dev/null")
    path = tmp_path / "live.pcap"
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(capture.read_bytes(),))
    thread.start()
    assert len(nf.read_sessions(path)) == len(benign)
    thread.join()


def test_ctrl_c_ends_reading_soon(tmp_path: Path) -> None:
    """Also of one session that never ends."""
    path = tmp_path / "live.pcap"
    os.mkfifo(path)
    records = cut_capture()[24:24 + 2 * 60] * 500
    pressed = 0.0

    def write() -> None:
        nonlocal pressed
        with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as pipe:
            pipe.write(cut_capture()[:24])
            start = time.perf_counter()
            while True:
                pipe.write(records)
                if not pressed and time.perf_counter() - start > 0.4:
                    pressed = time.perf_counter()
                    os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=write)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        nf.read_sessions(path, active=None)
    late = time.perf_counter() - pressed
    thread.join()
    # 0.1 s; the rest is for a busy machine.
    assert late < 1.0, late
