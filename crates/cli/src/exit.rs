//! The exit codes, in one table. Prints nothing.

use std::fmt::Write as _;
use std::process::ExitCode;

use protocol::{Category, Error, Origin};

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Unavailable = 4,
    Refused = 5,
    Deadline = 6,
    /// 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

const TABLE: &[(&str, &str)] = &[
    ("0", "done"),
    ("1", "the module, the run, the component or the host failed, or `--check` found a difference"),
    ("2", "the command line, the input, the pipeline or the configuration is wrong"),
    ("3", "there is no such module, pipeline, run, component or code"),
    ("4", "the host or the provider cannot be reached, or is too busy; may pass"),
    ("5", "not allowed"),
    ("6", "the deadline passed first"),
    ("130, 143", "ended by Ctrl-C while a pipeline ran; a host, by a second SIGINT, SIGTERM"),
];

/// The table as the end of `modrack --help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in TABLE {
        writeln!(text, "  {code:<8}  {meaning}").expect("a String takes all text");
    }
    text.truncate(text.trim_end().len());
    text
}

impl Exit {
    /// What a failure on the wire means for the exit code. Whatever a module itself answers is a failure of the module.
    pub(crate) fn of(error: &Error) -> Self {
        match error.category() {
            _ if error.origin() == Origin::Module => Self::Failed,
            Category::InvalidArgument => Self::Usage,
            Category::NotFound => Self::NotFound,
            Category::Unavailable | Category::RateLimited => Self::Unavailable,
            Category::Unauthenticated | Category::PermissionDenied => Self::Refused,
            Category::DeadlineExceeded => Self::Deadline,
            Category::Conflict
            | Category::FailedPrecondition
            | Category::Unsupported
            | Category::Cancelled
            | Category::UpstreamError
            | Category::Internal => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_category_has_its_exit_code_unless_the_module_itself_answers() {
        for (category, code) in [
            (Category::InvalidArgument, 2),
            (Category::NotFound, 3),
            (Category::Unavailable, 4),
            (Category::RateLimited, 4),
            (Category::Unauthenticated, 5),
            (Category::PermissionDenied, 5),
            (Category::DeadlineExceeded, 6),
            (Category::UpstreamError, 1),
            (Category::Internal, 1),
        ] {
            let of = |origin| Exit::of(&Error::new(category, "a.b", "m", origin)) as u8;
            assert_eq!((of(Origin::Core), of(Origin::Module)), (code, 1), "{category}");
            assert!(help().contains(&format!("\n  {code} ")), "{code} is documented");
        }
    }
}
