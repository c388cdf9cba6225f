#!/usr/bin/env python3
"""Prints the table of `make bench` from what the machines said.  Usage: table.py DIR

NAME.console has lines "row NAME COUNT TICKS"; NAME.log the plugin's marks: the k-th pair is the
k-th row's.  Under -icount there is no log, and a tick is an instruction.
"""
import os
import statistics
import sys

BEGIN, END, USER = "1", "2", "3"

# What it is, Lux9's row, Linux's row, the goal.
ROWS = [
    ("null call", "null", "null", 120),
    ("null call, by Linux's number", "linux:null", "null", None),
    ("1 B read of a file that a process serves (Linux: pipes)", "served_1", "pipe_1", 1500),
    ("the same, by Linux's number", "linux:served_1", "pipe_1", None),
    ("4 KiB", "served_4k", "pipe_4k", None),
    ("64 KiB", "served_64k", "pipe_64k", None),
    ("1 B over pipes, and 1 B back", "pipe_1", "pipe_1", None),
    ("the same, while 8 processes poll another pipe", "pipe_1_polled", "pipe_1_polled", None),
    ("poll of 16 pipes, of which one is ready", "poll_16", "poll_16", None),
    ("1 B over pipes, and 4 KiB back", "pipe_4k", "pipe_4k", None),
    ("1 B over pipes, and 64 KiB back", "pipe_64k", "pipe_64k", None),
    ("fork, exit, wait", "fork_exit", "fork_exit", None),
    ("fork, exec, exit, wait", "fork_exec", "fork_exec", None),
    ("thread: create, join", "thread", "thread", None),
    ("AHCI, 4 KiB random read, depth 1", "raw_read_4k", "raw_read_4k", 8000),
    ("AHCI, 4 KiB random read, depth 32", "raw_read_4k_32", "raw_read_4k_32", 6000),
    ("AHCI, 4 KiB random write, depth 1", "raw_write_4k", "raw_write_4k", 8000),
    ("AHCI, 4 KiB random write, depth 32", "raw_write_4k_32", "raw_write_4k_32", 6000),
    ("AHCI, 128 KiB sequential read", "raw_read_128k", "raw_read_128k", None),
    ("AHCI, 1 MiB sequential read", "raw_read_1m", "raw_read_1m", 110000),
    ("AHCI, 1 MiB sequential write", "raw_write_1m", "raw_write_1m", 110000),
    ("NVMe, 4 KiB random read, depth 1", "nvme:raw_read_4k", "nvme:raw_read_4k", 8000),
    ("NVMe, 4 KiB random read, depth 32", "nvme:raw_read_4k_32", "nvme:raw_read_4k_32", 6000),
    ("NVMe, 4 KiB random write, depth 1", "nvme:raw_write_4k", "nvme:raw_write_4k", 8000),
    ("NVMe, 4 KiB random write, depth 32", "nvme:raw_write_4k_32", "nvme:raw_write_4k_32", 6000),
    ("NVMe, 128 KiB sequential read", "nvme:raw_read_128k", "nvme:raw_read_128k", None),
    ("NVMe, 1 MiB sequential read", "nvme:raw_read_1m", "nvme:raw_read_1m", 110000),
    ("NVMe, 1 MiB sequential write", "nvme:raw_write_1m", "nvme:raw_write_1m", 110000),
    *((f"{what}, {words}", f"{kind}:{key}", f"{kind}:{key}", None)
      for what, kind in (("virtio-blk", "virtioblk"), ("virtio-scsi", "virtioscsi"))
      for words, key in (("4 KiB random read, depth 1", "raw_read_4k"),
                         ("4 KiB random read, depth 32", "raw_read_4k_32"),
                         ("4 KiB random write, depth 1", "raw_write_4k"),
                         ("1 MiB sequential read", "raw_read_1m"),
                         ("1 MiB sequential write", "raw_write_1m"))),
    ("ext4, 128 KiB cold read", "ext4_cold_128k", "ext4_cold_128k", None),
    ("ext4, 4 KiB cached read", "ext4_cached_4k", "ext4_cached_4k", None),
    ("boot to the first process's line", "boot", "boot", 150000000),
    ("boot to init.conf's first command", "init", None, 150000000),
    ("least memory that boots, MiB", "memory", "memory", 24),
    ("least memory with AHCI and ext4, MiB", "memory-ext4", "memory-ext4", None),
]


def marks(path):
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [line.split() for line in f if line.strip()]


def read_rows(directory, name, into, prefix=""):
    """Adds NAME's rows: a list of instructions per operation for each."""
    console = os.path.join(directory, name + ".console")
    if not os.path.exists(console):
        return
    log = marks(os.path.join(directory, name + ".log"))
    begins = [int(m[1]) for m in log if m[0] == BEGIN]
    ends = [int(m[1]) for m in log if m[0] == END]
    k = 0
    for line in open(console, errors="replace"):
        words = line.split()
        if words[:3] == ["through", "the", "personality"]:
            prefix = "linux:"
        if len(words) != 4 or words[0] != "row":
            continue
        n = ends[k] - begins[k] if log else int(words[3])
        k += 1
        into.setdefault(prefix + words[1], []).append(n / int(words[2]))


def read_boot(directory, name, key, into):
    log = marks(os.path.join(directory, name + ".log"))
    at = {m[0]: int(m[1]) for m in reversed(log)}
    if USER in at and "entry" in at:
        into[key] = [at[USER] - at["entry"]]


def system(directory, name):
    into = {}
    for part in ("calls", "io"):
        read_rows(directory, f"{name}-{part}", into)
    for kind in ("nvme", "virtioblk", "virtioscsi"):
        read_rows(directory, f"{name}-{kind}", into, kind + ":")
    read_boot(directory, name + "-boot", "boot", into)
    read_boot(directory, name + "-init", "init", into)
    for words in marks(os.path.join(directory, "memory")):
        if words[0].split("-")[0] == name:
            into["memory" + words[0][len(name):]] = [int(words[1])]
    return into


def number(x):
    return f"{x:,.0f}" if x is not None else ""


def main():
    lux, linux = system(sys.argv[1], "lux9"), system(sys.argv[1], "linux")
    print("| instructions each, median of 3 | Lux9 | Linux | ratio | goal | |")
    print("|---|--:|--:|--:|--:|---|")
    for title, lux_key, linux_key, goal in ROWS:
        if lux_key not in lux:
            continue
        a = statistics.median(lux[lux_key])
        b = statistics.median(linux[linux_key]) if linux_key in linux else None
        ratio = f"{a / b:.2g}" if b else ""
        verdict = "" if goal is None else "met" if a <= goal else "missed"
        print(f"| {title} | {number(a)} | {number(b)} | {ratio} | {number(goal)} | {verdict} |")


main()
