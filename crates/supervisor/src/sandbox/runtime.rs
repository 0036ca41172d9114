//! Which files a program needs to run at all: its interpreter, and the libraries beside either. Executes nothing.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What every program may read and execute: the system's libraries, and what they read by themselves. No `/etc` as a whole: keys and
/// configurations of others are in it. `/proc/self` is that of the main process alone: the kernel keeps the directory, not the name.
pub(super) const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/loadavg",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
];

/// The interpreter that the first line of a file names, when it is a script. See execve(2).
pub(crate) fn interpreter(executable: &Path) -> Option<PathBuf> {
    // The kernel reads as many bytes.
    let mut head = Vec::with_capacity(256);
    File::open(executable).ok()?.take(256).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let path = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// The program, its interpreter where it is a script, and of either what an installation has beside `bin`: `lib`, and the mark of a
/// Python environment. Each as it is named and as it is behind its links.
pub(super) fn of(executable: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = Some(executable.to_owned());
    // The kernel follows four interpreters that are scripts themselves.
    for _ in 0..5 {
        let Some(program) = next.take() else { break };
        let real = fs::canonicalize(&program).unwrap_or_else(|_| program.clone());
        next = interpreter(&real);
        for path in [program, real] {
            found.extend(beside(&path));
            found.push(path);
        }
    }
    found.sort();
    found.dedup();
    found
}

fn beside(program: &Path) -> Vec<PathBuf> {
    let Some(bin) = program.parent().filter(|parent| parent.file_name() == Some(OsStr::new("bin"))) else {
        return Vec::new();
    };
    let Some(root) = bin.parent() else { return Vec::new() };
    ["lib", "lib64", "pyvenv.cfg"].iter().map(|name| root.join(name)).filter(|path| path.exists()).collect()
}
