"""What a machine under test asks of its monitor: each line that it writes to -debugcon.

monitor.py SOCKET FILE: ends with the machine.  Commands in a line are separated by semicolons.  What the monitor says of an error goes to standard
output; a device whose name is not free yet, or whose slot is busy, is tried again for a while.
"""
import json
import os
import socket
import sys
import time

TRIES = 100
NOT_YET = "Duplicate", "in the process of unplug", "guest is busy"


def connect(path):
    for _ in range(600):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
            return s.makefile("rw")
        except OSError:
            s.close()
            time.sleep(0.1)
    sys.exit("no monitor")


def ask(qmp, command, **arguments):
    try:
        qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        qmp.flush()
        while True:
            line = qmp.readline()
            if not line:
                os._exit(0)
            answer = json.loads(line)
            if "event" not in answer:
                return answer
    except OSError:
        os._exit(0)


def carry_out(qmp, command):
    for _ in range(TRIES):
        said = ask(qmp, "human-monitor-command", **{"command-line": command}).get("return", "")
        if not any(w in said for w in NOT_YET):
            break
        time.sleep(0.1)
    if said:
        print(command, said.strip(), sep=": ", flush=True)


def main():
    path, asked = sys.argv[1:]
    qmp = connect(path)
    qmp.readline()
    ask(qmp, "qmp_capabilities")
    while not os.path.exists(asked):
        time.sleep(0.1)
    with open(asked, errors="replace") as f:
        line = ""
        while True:
            part = f.readline()
            line += part
            if not part:
                time.sleep(0.02)
                ask(qmp, "query-status")
            if not line.endswith("\n"):
                continue
            for command in line.strip().split(";"):
                carry_out(qmp, command)
            line = ""


main()
