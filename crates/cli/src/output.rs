//! Where output goes: stdout as text or JSON, with colour and width where a terminal is. Knows no command.

use std::io::{self, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::codes;
use crate::failure::{Failure, Failures, printable};

/// Whether what goes to stderr takes colour.
pub(crate) fn colour_of_stderr() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// How this run prints.
#[derive(Debug)]
pub(crate) struct Output {
    /// Machines read it.
    pub(crate) json: bool,
    colour: bool,
    terminal: bool,
    width: Option<u16>,
}

/// Says for the whole process when colour is used.
pub(crate) fn choose_colour(choice: ColorChoice) {
    choice.write_global();
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let colour = AutoStream::choice(&stdout) != ColorChoice::Never;
        // Lines that go to a file or a pipe are not broken: somebody searches them.
        let terminal = stdout.is_terminal();
        let width = terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| width.0);
        Self { json, colour, terminal, width }
    }

    /// A terminal of this width without colour.
    #[cfg(test)]
    pub(crate) fn with_width(width: u16) -> Self {
        Self { json: false, colour: false, terminal: true, width: Some(width) }
    }

    /// Whether what goes to stdout takes colour.
    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    /// Columns of the terminal; none where there is no terminal.
    pub(crate) fn width(&self) -> Option<u16> {
        self.width
    }

    pub(crate) fn line(&self, text: &str) -> Result<(), Failures> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Text of somebody else: as it is for a file or a pipe, without what could steer it on a terminal.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failures> {
        if self.terminal { self.line(&printable(text)) } else { self.line(text) }
    }

    /// One JSON document, laid out for reading.
    pub(crate) fn document(&self, value: &Value) -> Result<(), Failures> {
        self.line(&format!("{value:#}"))
    }

    /// One JSON document on one line.
    pub(crate) fn json_line(&self, value: &Value) -> Result<(), Failures> {
        self.line(&value.to_string())
    }

    /// Lines that a process says while it goes on with its work, whether or not anybody reads them.
    pub(crate) fn announce(&self, text: &str) {
        let mut stdout = io::stdout().lock();
        let _unread = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    }

    /// Writes and flushes. Ends the process quietly when nobody reads any more, as `head` does.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failures> {
        // Not through `anstream`: what a module answered goes into a pipe byte by byte, escape sequences included.
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            result => result.map_err(|error| {
                Failure::local(codes::OUTPUT_FAILED, format!("the output cannot be written: {error}")).into()
            }),
        }
    }

    /// A table with bold headings that fits the terminal.
    pub(crate) fn table(&self, headings: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if self.colour {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        table.set_header(headings.iter().map(|heading| Cell::new(heading).add_attribute(Attribute::Bold)));
        table.add_rows(rows);
        let last = headings.len().saturating_sub(1);
        for (i, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if i == last { 0 } else { 2 }));
        }
        table.trim_fmt()
    }

    /// A text in one of the terminal's sixteen colours.
    pub(crate) fn paint(&self, style: anstyle::Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// A cell with text of somebody else.
pub(crate) fn cell(text: impl AsRef<str>) -> Cell {
    Cell::new(printable(text.as_ref()))
}

/// A cell with text of ours in a colour.
pub(crate) fn coloured(text: &str, colour: Color) -> Cell {
    Cell::new(text).fg(colour)
}

/// A colour of tables for a text outside of one.
pub(crate) fn ansi(colour: Color) -> anstyle::Style {
    use anstyle::AnsiColor;
    let colour = match colour {
        Color::Green => AnsiColor::Green,
        Color::Yellow => AnsiColor::Yellow,
        Color::Red => AnsiColor::Red,
        _ => return anstyle::Style::new(),
    };
    colour.on_default()
}
