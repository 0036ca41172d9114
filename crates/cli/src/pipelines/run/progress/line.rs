//! How the line of a node looks: sign, name, time, and what became of it, never wider than the terminal. Knows no run.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use protocol::generated::host::v1 as pb;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::failure::printable;
use crate::pipelines::trace;

/// Columns of the sign and of the time, with the blanks beside them.
const FRAME: usize = 2 + 9;
/// Columns for what becomes of a node, at the least a third of all: `12 calls, 3 failed`, `3 attempts`.
const COUNTS: usize = 19;
const WORDS: usize = 11;
/// Below this many columns the modules are left out.
const NARROW: usize = 60;
/// Where nothing is known of the terminal.
const USUAL: (usize, usize) = (80, 24);

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Succeeded,
    /// Some of its calls failed, others did not.
    Mixed,
    Failed,
    Cancelled,
}

/// What there is to say of a node at its end.
#[derive(Debug, Clone)]
pub(super) struct Became {
    pub(super) sign: Sign,
    pub(super) micros: u64,
    pub(super) how: String,
}

/// How wide the columns are.
pub(super) struct Layout {
    label: usize,
    module: usize,
}

/// Columns and rows of the terminal behind stderr.
pub(super) fn terminal() -> (usize, usize) {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.map_or(USUAL, |(width, height)| (usize::from(width.0), usize::from(height.0)))
}

impl Layout {
    pub(super) fn of(nodes: &[pb::PipelineNode], width: usize) -> Self {
        let widest = |text: fn(&pb::PipelineNode) -> String| nodes.iter().map(|node| text(node).width()).max();
        let told = if nodes.iter().any(|node| node.repeated) { COUNTS } else { WORDS };
        let room = width.saturating_sub(FRAME + told.max(width / 3)).max(8);
        let module = match widest(module).unwrap_or_default() {
            0 => 0,
            _ if width < NARROW => 0,
            module => module.min(room / 2),
        };
        let gap = if module == 0 { 0 } else { 2 };
        Self { label: widest(label).unwrap_or_default().min(room - module - gap), module }
    }

    pub(super) fn name(&self, node: &pb::PipelineNode) -> String {
        let label = fit(&label(node), self.label);
        if self.module == 0 { label } else { format!("{label}  {}", fit(&module(node), self.module)) }
    }
}

fn label(node: &pb::PipelineNode) -> String {
    printable(&node.label)
}

/// Empty where the label says it.
fn module(node: &pb::PipelineNode) -> String {
    if node.module == node.label { String::new() } else { printable(&node.module) }
}

/// The text in so many columns, with blanks behind it or cut at its end.
fn fit(text: &str, columns: usize) -> String {
    let mut kept = text.to_owned();
    if text.width() > columns {
        let mut room = columns.saturating_sub(1);
        kept = text
            .chars()
            .take_while(|character| {
                let fits = character.width().unwrap_or_default() <= room;
                room = room.saturating_sub(character.width().unwrap_or_default());
                fits
            })
            .collect();
        kept.push('…');
    }
    let blanks = columns.saturating_sub(kept.width());
    kept + &" ".repeat(blanks)
}

/// The line of a node that waits.
pub(super) fn waiting(name: String) -> ProgressBar {
    ProgressBar::no_length()
        .with_style(style("· {prefix:.dim} {wide_msg:.dim}"))
        .with_prefix(name)
        .with_message("waits")
}

/// A line about something else.
pub(super) fn note(text: String) -> ProgressBar {
    ProgressBar::no_length().with_style(style("{wide_msg:.dim}")).with_message(text)
}

/// Lets the line tell the time from now on.
pub(super) fn run(bar: &ProgressBar, tick: Duration) {
    let elapsed = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let seconds = state.elapsed().as_secs_f64();
        // A line that cannot be written is not seen.
        let _unseen = if seconds < 60.0 {
            write!(text, "{:>8}", format!("{seconds:.1} s"))
        } else {
            write!(text, "{:>8}", trace::time(u64::try_from(state.elapsed().as_micros()).unwrap_or(u64::MAX)))
        };
    };
    bar.reset_elapsed();
    bar.set_style(style("{spinner:.cyan} {prefix} {time:.dim} {wide_msg}").with_key("time", elapsed));
    bar.enable_steady_tick(tick);
}

/// Lets the line tell what became of the node.
pub(super) fn end(bar: &ProgressBar, became: &Became) {
    let took = format!("{:>8}", trace::time(became.micros));
    let time = move |_: &ProgressState, text: &mut dyn std::fmt::Write| {
        // A line that cannot be written is not seen.
        let _unseen = text.write_str(&took);
    };
    let colour = match became.sign {
        Sign::Succeeded => "green",
        Sign::Mixed | Sign::Cancelled => "yellow",
        Sign::Failed => "red",
    };
    let template = format!("{{spinner:.{colour}}} {{prefix}} {{time}} {{wide_msg}}");
    bar.set_style(style(&template).with_key("time", time).tick_strings(&[became.sign.text(); 2]));
    bar.abandon_with_message(became.how.clone());
}

/// The line as it stays when the run is over.
pub(super) fn plain(name: &str, became: &Became, width: usize) -> String {
    let text = format!("{name} {:>8} {}", trace::time(became.micros), became.how);
    let room = width.saturating_sub(2);
    let text = if text.width() > room { fit(&text, room) } else { text };
    let style = became.sign.style();
    format!("{style}{}{style:#} {}", became.sign.text(), text.trim_end())
}

impl Sign {
    fn text(self) -> &'static str {
        match self {
            Self::Succeeded => "✓",
            Self::Mixed => "!",
            Self::Failed => "✗",
            Self::Cancelled => "–",
        }
    }

    fn style(self) -> anstyle::Style {
        let colour = match self {
            Self::Succeeded => anstyle::AnsiColor::Green,
            Self::Mixed | Self::Cancelled => anstyle::AnsiColor::Yellow,
            Self::Failed => anstyle::AnsiColor::Red,
        };
        colour.on_default()
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is right")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(width: usize) -> String {
        let node = |label: &str, module: &str| pb::PipelineNode {
            label: label.into(),
            module: module.into(),
            ..pb::PipelineNode::default()
        };
        let nodes = [
            node("a", "text.Upper"),
            node("a_name_of_many_letters_says_much", "日本語.Upper"),
            node("ml.Score", "ml.Score"),
        ];
        let layout = Layout::of(&nodes, width);
        nodes.iter().map(|node| format!("{}|", layout.name(node))).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn names_stand_in_columns_and_are_cut_where_the_terminal_is_narrow() {
        insta::assert_snapshot!(names(120), @"
        a                                 text.Upper  |
        a_name_of_many_letters_says_much  日本語.Upper|
        ml.Score                                      |
        ");
        insta::assert_snapshot!(names(60), @"
        a                text.Upper  |
        a_name_of_many…  日本語.Upper|
        ml.Score                     |
        ");
        insta::assert_snapshot!(names(40), @"
        a               |
        a_name_of_many_…|
        ml.Score        |
        ");
        insta::assert_snapshot!(names(5), @"
        a       |
        a_name_…|
        ml.Score|
        ");
    }
}
