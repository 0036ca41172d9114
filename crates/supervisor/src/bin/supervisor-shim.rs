//! A shim and nothing else, for tests of the supervisor. The product's shim is `modrack` itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    supervisor::shim::main()
}
