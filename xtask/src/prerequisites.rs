//! What has to be on the machine before anything here can work. Installs nothing; says what does.

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

/// A Python that can make the virtual environment.
pub(crate) fn python(shell: &Shell) -> Result<&'static str> {
    for name in ["python3", "python"] {
        let version = cmd!(shell, "{name} --version").quiet().ignore_stderr().read();
        if version.is_ok_and(|version| parse(&version).is_some_and(|version| version >= (3, 11))) {
            if cmd!(shell, "{name} -c 'import venv, ensurepip'").quiet().ignore_stderr().run().is_err() {
                bail!(
                    "Python cannot make virtual environments here; install `venv`: sudo apt-get install python3-venv"
                );
            }
            return Ok(name);
        }
    }
    bail!(
        "Python 3.11 or newer is missing; install it: `sudo apt-get install python3 python3-venv` (Debian, Ubuntu), \
         `brew install python` (macOS) or `winget install Python.Python.3.13` (Windows)"
    )
}

/// Node and npm.
pub(crate) fn node(shell: &Shell) -> Result<()> {
    let node = cmd!(shell, "node --version").quiet().ignore_stderr().read();
    if !node.is_ok_and(|version| parse(&version).is_some_and(|version| version >= (20, 0))) {
        bail!(
            "Node 20 or newer is missing; install it: `sudo apt-get install nodejs npm` (Debian, Ubuntu), \
             `brew install node` (macOS) or `winget install OpenJS.NodeJS.LTS` (Windows)"
        );
    }
    if cmd!(shell, "npm --version").quiet().ignore_stderr().read().is_err() {
        bail!("npm is missing; install it: `sudo apt-get install npm` (Debian, Ubuntu); elsewhere it comes with Node");
    }
    Ok(())
}

/// A browser, which one test opens a page in.
pub(crate) fn browser(shell: &Shell) -> Result<()> {
    if cmd!(shell, "chromium --version").quiet().ignore_stderr().read().is_err() {
        bail!(
            "Chromium is missing, and a test opens the report of a run in it; install it: \
             `sudo apt-get install chromium` (Debian, Ubuntu) or `brew install chromium` (macOS)"
        );
    }
    Ok(())
}

/// Whether a cargo subcommand is installed.
pub(crate) fn has_cargo(shell: &Shell, subcommand: &str) -> bool {
    cmd!(shell, "cargo {subcommand} --version").quiet().ignore_stderr().ignore_stdout().run().is_ok()
}

/// Major and minor of the first version in a text: `Python 3.11.7`, `v20.20.2`.
fn parse(text: &str) -> Option<(u32, u32)> {
    let digits = text.find(|c: char| c.is_ascii_digit())?;
    let mut parts = text[digits..].split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_tools_print_them() {
        assert_eq!(parse("Python 3.11.7"), Some((3, 11)));
        assert_eq!(parse("v20.20.2"), Some((20, 20)));
        assert_eq!(parse("command not found"), None);
    }
}
