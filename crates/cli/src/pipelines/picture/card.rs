//! What stands on the card of a node, and how large the card is. Puts no card on a page.

use pipeline::graph::{Kind, Node};
use unicode_width::UnicodeWidthStr as _;

use super::layout::Size;

/// Most columns of a line of text.
const COLUMNS: usize = 42;
/// The widest card that options are put beside each other on.
const WIDEST: f64 = 320.0;
/// Width of a column as a part of the size of the letters, in all common fixed-width fonts at most this.
const ADVANCE: f64 = 0.602;
const PADDING_X: f64 = 14.0;
const PADDING_Y: f64 = 10.0;
const CHIP_HEIGHT: f64 = 19.0;
const CHIP_GAP: f64 = 6.0;

/// Sizes of letters.
pub(super) const TITLE: f64 = 13.0;
pub(super) const TEXT: f64 = 11.5;
pub(super) const SMALL: f64 = 10.5;

/// The content of a node, in coordinates of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Card {
    pub(super) texts: Vec<Text>,
    pub(super) chips: Vec<Chip>,
    pub(super) size: Size,
}

/// A line of text; `y` is its base line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) role: Role,
    pub(super) content: String,
    /// Written behind the content, fainter.
    pub(super) faint: String,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Title,
    Plain,
    Faint,
}

/// A text in a frame of its own; `x` and `y` are its upper left corner.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chip {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) content: String,
    /// The language of a module; none for an option.
    pub(super) language: bool,
}

/// How wide a text is.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.width() as f64 * size * ADVANCE
}

/// The card of a node. Of a group it is the head, in which the title comes first.
pub(super) fn card(node: &Node) -> Card {
    let mut card = Card { texts: Vec::new(), chips: Vec::new(), size: Size::default() };
    match node.kind {
        Kind::Input | Kind::Output | Kind::Parameter | Kind::Capture => {
            card.typed(&node.label, &node.ty);
        }
        Kind::Call => {
            card.title(&node.label, node.language.as_deref());
            card.line(Role::Faint, node.name.as_deref());
        }
        Kind::Each | Kind::Choice | Kind::Expression => match &node.name {
            Some(name) if *name != node.label => {
                card.title(name, None);
                card.wrapped(Role::Plain, &node.label);
            }
            _ => card.wrapped(if node.kind == Kind::Expression { Role::Plain } else { Role::Title }, &node.label),
        },
    }
    for line in &node.lines {
        card.wrapped(Role::Faint, line);
    }
    card.options(&node.options);
    card.size.width += PADDING_X * 2.0;
    card.size.height += PADDING_Y * 2.0;
    card
}

impl Card {
    /// `name: Type`, on two lines where one has no room.
    fn typed(&mut self, name: &str, ty: &str) {
        if name.width() + ty.width() + 2 <= COLUMNS {
            self.title(name, None);
            let text = self.texts.last_mut().expect("the title is there");
            text.faint = format!(": {ty}");
            self.size.width = width(name, TITLE) + width(&text.faint, TITLE);
        } else {
            self.title(name, None);
            self.wrapped(Role::Faint, ty);
        }
    }

    fn title(&mut self, text: &str, language: Option<&str>) {
        self.wrapped(Role::Title, text);
        let Some(language) = language else { return };
        let chip = chip(language, true);
        let x = width(text, TITLE).min(self.size.width) + 10.0;
        self.size.width = self.size.width.max(x + chip.width);
        self.chips.push(Chip { x: x + PADDING_X, y: PADDING_Y - 1.5, ..chip });
    }

    fn line(&mut self, role: Role, text: Option<&str>) {
        if let Some(text) = text {
            self.wrapped(role, text);
        }
    }

    fn wrapped(&mut self, role: Role, text: &str) {
        let size = if role == Role::Title { TITLE } else { TEXT };
        for line in wrap(text, COLUMNS) {
            self.size.width = self.size.width.max(width(&line, size));
            self.size.height += if self.texts.is_empty() { size + 2.0 } else { size + 5.5 };
            self.texts.push(Text {
                x: PADDING_X,
                y: PADDING_Y + self.size.height - 3.5,
                role,
                content: line,
                faint: String::new(),
            });
        }
    }

    /// Options beside each other as far as the card is wide.
    fn options(&mut self, options: &[String]) {
        let room = self.size.width.max(WIDEST - PADDING_X * 2.0);
        let (mut x, mut is_first) = (0.0, true);
        for option in options {
            for line in wrap(option, COLUMNS) {
                let chip = chip(&line, false);
                if is_first || x + chip.width > room {
                    self.size.height += CHIP_HEIGHT + if is_first { 8.0 } else { 5.0 };
                    (x, is_first) = (0.0, false);
                }
                let y = PADDING_Y + self.size.height - CHIP_HEIGHT;
                let width = chip.width;
                self.chips.push(Chip { x: x + PADDING_X, y, ..chip });
                x += width + CHIP_GAP;
                self.size.width = self.size.width.max(x - CHIP_GAP);
            }
        }
    }
}

fn chip(content: &str, language: bool) -> Chip {
    let width = width(content, SMALL) + 14.0;
    let height = if language { CHIP_HEIGHT - 2.0 } else { CHIP_HEIGHT };
    Chip { x: 0.0, y: 0.0, width, height, content: content.to_owned(), language }
}

/// Lines of at most so many columns, broken at blanks where there are some.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().expect("there is always one");
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(String::new());
        } else if !line.is_empty() {
            lines.last_mut().expect("there is always one").push(' ');
        }
        for c in word.chars() {
            let line = lines.last_mut().expect("there is always one");
            if line.width() >= columns {
                lines.push(c.to_string());
            } else {
                line.push(c);
            }
        }
    }
    lines
}
