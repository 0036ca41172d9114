//! The `modrack` command as a user meets it: whole output and exit code, with real hosts on free ports.

mod local;
mod modules;
mod run;
mod serve;
