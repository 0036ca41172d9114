"""A component's process as the tests need it; says what it finds in lines of JSON. No part of the product."""

import errno
import json
import os
import resource
import signal
import socket
import sys
import time


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def outcome(attempt: object, *arguments: object) -> None:
    """Says `ok`, or the name of the error."""
    try:
        attempt(*arguments)  # type: ignore[operator]
    except OSError as error:
        say(outcome=errno.errorcode[error.errno])
    except MemoryError:
        say(outcome="memory")
    else:
        say(outcome="ok")


def environment() -> dict[str, str]:
    """As the kernel has it: Python adds to its own."""
    pairs = open("/proc/self/environ").read().split("\0")[:-1]
    return dict(pair.split("=", 1) for pair in pairs)


def facts(*arguments: str) -> None:
    """Says what it was given."""
    descriptors = []
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue  # That of the listing itself.
        descriptors.append(int(name))
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    umask = os.umask(0o077)
    say(
        arguments=arguments,
        env=environment(),
        descriptors=sorted(descriptors),
        cwd=os.getcwd(),
        umask=umask,
        is_in_the_session_of_its_parent=os.getsid(0) == os.getppid(),
        leads_its_group=os.getpgrp() == os.getpid(),
        blocked=int(status["SigBlk"].strip(), 16),
        ignored=[signal.Signals(n).name for n in range(1, 32) if int(status["SigIgn"].strip(), 16) >> (n - 1) & 1],
        no_new_privileges=status["NoNewPrivs"].strip(),
        capabilities=[status[name].strip() for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")],
        limits={
            name: resource.getrlimit(getattr(resource, name))
            for name in ("RLIMIT_AS", "RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_NPROC")
        },
        stdin=sys.stdin.read(),
    )


def wait() -> None:
    say(pid=os.getpid())
    while True:
        signal.pause()


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait()


def escape() -> int:
    """Forks twice with a session between; the grandchild ignores SIGTERM. Its pid."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(writer, str(os.getpid()).encode())
            os.close(writer)
            while True:
                signal.pause()
        os._exit(0)
    os.close(writer)
    pid = int(os.read(reader, 32))
    os.wait()
    return pid


def escape_and_wait() -> None:
    say(escaped=escape(), pid=os.getpid())
    while True:
        signal.pause()


def escape_and_leave() -> None:
    say(escaped=escape(), pid=os.getpid())


def run_away() -> None:
    """Leaves a process that hands over to a child of its own and ends, for ever: whoever looks for it finds that it has just gone."""
    say(pid=os.getpid())
    if os.fork() == 0:
        while True:
            if os.fork():
                os._exit(0)


def leave_a_zombie() -> None:
    """A child whose parent never waits; says its pid once it has ended."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    say(zombie=pid, pid=os.getpid())
    while True:
        signal.pause()


def work(megabytes: str, seconds: str) -> None:
    """Has a child that holds so much memory and has used so much processor time."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        held = b"x" * (int(megabytes) << 20)
        while time.process_time() < float(seconds):
            pass
        os.write(writer, b"x")
        while held:
            signal.pause()
    os.read(reader, 1)
    wait()


def flood(megabytes: str) -> None:
    line = b"x" * 79 + b"\n"
    block = line * (1 << 20 >> 4)
    left = int(megabytes) << 20
    while left > 0:
        left -= os.write(1, block[: min(left, len(block))])
    os.write(1, b"the last line\n")


def read(path: str) -> None:
    outcome(lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read())


def write(path: str) -> None:
    outcome(lambda: open(path, "wb").write(b"x"))


def run(path: str) -> None:
    outcome(os.posix_spawn, path, [path], {})


def descriptors(count: str) -> None:
    outcome(lambda: [os.open("/dev/null", os.O_RDONLY) for _ in range(int(count))])


def memory(count: str) -> None:
    outcome(lambda: bytearray(int(count)))


def lift(name: str) -> None:
    """Raises one of its own limits."""
    which = getattr(resource, name)
    bound = resource.getrlimit(which)[1]
    try:
        resource.setrlimit(which, (bound + 1, bound + 1))
    except (ValueError, OSError) as error:
        say(outcome=type(error).__name__)
    else:
        say(outcome="ok")


def connect(port: str) -> None:
    outcome(lambda: socket.create_connection(("127.0.0.1", int(port)), timeout=5))


def connect_unix(path: str) -> None:
    name = "\0" + path[1:] if path.startswith("@") else path
    outcome(lambda: socket.socket(socket.AF_UNIX).connect(name))


def bind(port: str) -> None:
    outcome(lambda: socket.create_server(("127.0.0.1", int(port))))


def hit(pid: str) -> None:
    outcome(os.kill, int(pid), signal.SIGCONT)


def change_user(uid: str) -> None:
    outcome(os.setuid, int(uid))


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
