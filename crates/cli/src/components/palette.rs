//! One colour for each of several components, and their ids in one width. Prints nothing.

use anstyle::{AnsiColor, Style};

/// Red is left to what failed, white and black to the terminal.
const COLOURS: [AnsiColor; 10] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightGreen,
    AnsiColor::BrightYellow,
    AnsiColor::BrightBlue,
];

/// The heads of lines.
#[derive(Debug, Clone)]
pub(crate) struct Palette {
    ids: Vec<String>,
    width: usize,
}

impl Palette {
    /// Colours go by the order of the ids; past ten they begin anew.
    pub(crate) fn new(ids: &[String]) -> Self {
        Self { ids: ids.to_vec(), width: ids.iter().map(|id| id.chars().count()).max().unwrap_or_default() }
    }

    /// The id, padded to the longest, with its colour.
    pub(crate) fn head(&self, id: &str) -> (Style, String) {
        let place = self.ids.iter().position(|known| known == id).unwrap_or_default();
        (COLOURS[place % COLOURS.len()].on_default(), format!("{id:<width$}", width = self.width))
    }
}
