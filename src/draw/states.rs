//! TCP's state graph with some states lit, as Mermaid, SVG and Unicode text.
//!
//! The arrows are those of the transition table; where they lie in the SVG comes from `state_layout.rs`, which
//! `state_layout.py` makes from the same table.

use std::fmt::Write as _;

use super::escape;
use super::state_layout::{ARROWS, BOX, BOXES, SIZE};
use crate::tcp::State;
use crate::tcp::transitions::{Transition, drawn};

/// An arrow of the picture, in points from the top left.
pub struct Arrow {
    /// Where it begins.
    pub from: State,
    /// Where it ends.
    pub to: State,
    /// The centre of its words.
    pub label: (f64, f64),
    /// A start, and three points a Bézier piece.
    pub curve: &'static [(f64, f64)],
    /// The point of its head.
    pub tip: (f64, f64),
}

/// The graph and what is lit in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StateDiagram {
    lit: Vec<(State, Option<String>)>,
}

const MARGIN: f64 = 14.0;
const LINE: f64 = 13.0;
const FONT: &str = "font-family=\"ui-sans-serif, 'Segoe UI', Helvetica, Arial, sans-serif\"";

/// The colours of the picture. It brings its own background, so that it reads the same on a light and on a dark page.
mod colour {
    pub const PAPER: &str = "#fbfcfe";
    pub const BORDER: &str = "#d0d7de";
    pub const INK: &str = "#1f2328";
    pub const WORDS: &str = "#57606a";
    pub const LINE: &str = "#8c959f";
    pub const NEXT: &str = "#0b5cad";
    pub const LIT: &str = "#ffd24d";
    pub const LIT_BORDER: &str = "#9a6700";
}

/// The words beside an arrow.
fn words(row: &Transition) -> [String; 2] {
    [row.event.to_string(), row.action.to_string()]
}

impl StateDiagram {
    /// The graph with these states lit; a label says whose state it is.
    pub fn new(lit: impl IntoIterator<Item = (State, Option<String>)>) -> Self {
        Self { lit: lit.into_iter().collect() }
    }

    fn is_lit(&self, state: State) -> bool {
        self.lit.iter().any(|(lit, _)| *lit == state)
    }

    /// The labels of a state, in the order they were given, each escaped.
    fn labels(&self, state: State, escaped: fn(&str) -> String) -> String {
        let labels = self.lit.iter().filter(|(lit, _)| *lit == state).filter_map(|(_, label)| label.as_deref());
        labels.map(escaped).collect::<Vec<_>>().join(", ")
    }

    /// For Mermaid (`stateDiagram-v2`).
    pub fn mermaid(&self) -> String {
        let name = |state: State| state.rfc().replace('-', "_");
        let mut out = String::from("stateDiagram-v2\n    direction TB\n");
        for state in State::ALL {
            let labels = self.labels(state, escape::mermaid);
            let gap = if labels.is_empty() { "" } else { "<br/>" };
            put(&mut out, format_args!("    state \"{state}{gap}{labels}\" as {}\n", name(state)));
        }
        for row in drawn() {
            let words = words(row).into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" / ");
            put(&mut out, format_args!("    {} --> {}: {words}\n", name(row.from), name(row.to)));
        }
        put(
            &mut out,
            format_args!(
                "    classDef lit fill:{},stroke:{},stroke-width:3px,color:{}\n",
                colour::LIT,
                colour::LIT_BORDER,
                colour::INK
            ),
        );
        for state in State::ALL.into_iter().filter(|state| self.is_lit(*state)) {
            put(&mut out, format_args!("    class {} lit\n", name(state)));
        }
        out
    }

    /// As one SVG element; the boxes are always at the same place.
    pub fn svg(&self) -> String {
        let (width, height) = (SIZE.0 + 2.0 * MARGIN, SIZE.1 + 2.0 * MARGIN);
        let mut out = String::new();
        put(
            &mut out,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
                 viewBox=\"{:.0} {:.0} {width:.0} {height:.0}\" role=\"img\" {FONT}><title>{}</title>",
                -MARGIN,
                -MARGIN,
                escape::xml(&self.summary())
            ),
        );
        put(
            &mut out,
            format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"8\" fill=\"{}\" stroke=\"{}\"/>",
                0.5 - MARGIN,
                0.5 - MARGIN,
                width - 1.0,
                height - 1.0,
                colour::PAPER,
                colour::BORDER
            ),
        );
        for arrow in &ARROWS {
            self.svg_arrow(&mut out, arrow);
        }
        for (arrow, row) in ARROWS.iter().zip(drawn()) {
            self.svg_words(&mut out, arrow, row);
        }
        for (state, centre) in BOXES {
            self.svg_box(&mut out, state, centre);
        }
        out.push_str("</svg>");
        out
    }

    /// What leaves a lit state is what can happen next.
    fn arrow_colour(&self, arrow: &Arrow) -> &'static str {
        if self.is_lit(arrow.from) { colour::NEXT } else { colour::LINE }
    }

    fn svg_arrow(&self, out: &mut String, arrow: &Arrow) {
        let colour = self.arrow_colour(arrow);
        let weight = if self.is_lit(arrow.from) { 1.8 } else { 1.0 };
        let mut path = String::new();
        for (index, (x, y)) in arrow.curve.iter().enumerate() {
            let command = match index {
                0 => "M",
                1 => " C",
                _ => " ",
            };
            put(&mut path, format_args!("{command}{x:.1},{y:.1}"));
        }
        put(out, format_args!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{weight}\"/>"));
        let (x, y) = arrow.tip;
        let (from_x, from_y) = arrow.curve.last().copied().unwrap_or(arrow.tip);
        let length = (x - from_x).hypot(y - from_y).max(f64::EPSILON);
        let (across, down) = ((x - from_x) / length * 3.6, (y - from_y) / length * 3.6);
        put(
            out,
            format_args!(
                "<polygon points=\"{x:.1},{y:.1} {:.1},{:.1} {:.1},{:.1}\" fill=\"{colour}\"/>",
                from_x - down,
                from_y + across,
                from_x + down,
                from_y - across
            ),
        );
    }

    fn svg_words(&self, out: &mut String, arrow: &Arrow, row: &Transition) {
        let colour = if self.is_lit(arrow.from) { colour::NEXT } else { colour::WORDS };
        let words = words(row);
        let lines: Vec<&str> = words.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
        let (x, y) = arrow.label;
        let first = y - LINE * (lines.len() as f64 / 2.0 - 0.75);
        for (index, line) in lines.iter().enumerate() {
            put(
                out,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"10.5\" text-anchor=\"middle\" fill=\"{colour}\" \
                     stroke=\"{}\" stroke-width=\"3\" paint-order=\"stroke\"{}>{}</text>",
                    first + LINE * index as f64,
                    colour::PAPER,
                    if index == 0 { "" } else { " font-style=\"italic\"" },
                    escape::xml(line)
                ),
            );
        }
    }

    fn svg_box(&self, out: &mut String, state: State, (x, y): (f64, f64)) {
        let lit = self.is_lit(state);
        let (fill, stroke, weight) =
            if lit { (colour::LIT, colour::LIT_BORDER, 2.5) } else { ("#ffffff", colour::WORDS, 1.2) };
        put(
            out,
            format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"6\" fill=\"{fill}\" \
                 stroke=\"{stroke}\" stroke-width=\"{weight}\"/>",
                x - BOX.0 / 2.0,
                y - BOX.1 / 2.0,
                BOX.0,
                BOX.1
            ),
        );
        let labels = self.labels(state, escape::xml);
        let name_y = if labels.is_empty() { y + 4.3 } else { y - 1.5 };
        put(
            out,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{name_y:.1}\" font-size=\"12\" font-weight=\"{}\" text-anchor=\"middle\" \
                 fill=\"{}\">{state}</text>",
                if lit { "700" } else { "500" },
                colour::INK
            ),
        );
        if !labels.is_empty() {
            // Whatever its length, it stays inside the box.
            let squeeze = if labels.chars().count() > 17 {
                format!(" textLength=\"{:.0}\" lengthAdjust=\"spacingAndGlyphs\"", BOX.0 - 8.0)
            } else {
                String::new()
            };
            put(
                out,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"10\" text-anchor=\"middle\" fill=\"{}\"{squeeze}>{labels}</text>",
                    y + 10.5,
                    colour::INK
                ),
            );
        }
    }

    /// In Unicode text: a state, and beside it its arrows. Lit states are in brackets behind a `▶`.
    pub fn text(&self) -> String {
        let mut lines: Vec<[String; 3]> = Vec::new();
        for state in State::ALL {
            let lit = self.is_lit(state);
            let labels = self.labels(state, escape::label);
            let mut left = vec![if lit { format!("▶ [{state}]") } else { format!("   {state}") }];
            if !labels.is_empty() {
                left.push(format!("   {labels}"));
            }
            let rows: Vec<_> = drawn().filter(|row| row.from == state).collect();
            for index in 0..rows.len().max(left.len()) {
                let joint = match (index, rows.len()) {
                    (0, 1) => "──",
                    (0, _) => "┬─",
                    (index, count) if index + 1 < count => "├─",
                    (index, count) if index + 1 == count => "└─",
                    _ => "",
                };
                let row = rows.get(index);
                let words = row.map(|row| words(row).into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>());
                lines.push([
                    left.get(index).cloned().unwrap_or_default(),
                    words.map(|words| format!("{joint} {} ", words.join(" / "))).unwrap_or_default(),
                    row.map(|row| row.to.to_string()).unwrap_or_default(),
                ]);
            }
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let (left_width, words_width) = (width(0), width(1));
        let mut out = String::new();
        for [left, words, to] in &lines {
            let rule = if to.is_empty() {
                String::new()
            } else {
                "─".repeat(words_width - words.chars().count()) + "─▶ "
            };
            let line = format!("{left:<left_width$} {words}{rule}{to}");
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// One line: which states are lit.
    pub fn summary(&self) -> String {
        let lit: Vec<String> = State::ALL
            .into_iter()
            .filter(|state| self.is_lit(*state))
            .map(|state| match self.labels(state, escape::label) {
                labels if labels.is_empty() => state.to_string(),
                labels => format!("{state} ({labels})"),
            })
            .collect();
        match lit.as_slice() {
            [] => "TCP states".to_owned(),
            lit => format!("TCP states: {}", lit.join(", ")),
        }
    }
}

/// Appends; writing to a `String` cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lit(state: State, label: Option<&str>) -> StateDiagram {
        StateDiagram::new([(state, label.map(str::to_owned))])
    }

    #[test]
    fn the_layout_is_of_this_table() {
        let arrows: Vec<_> = ARROWS.iter().map(|arrow| (arrow.from, arrow.to)).collect();
        let rows: Vec<_> = drawn().map(|row| (row.from, row.to)).collect();
        assert_eq!(arrows, rows);
        assert_eq!(BOXES.map(|(state, _)| state), State::ALL);
        assert!(ARROWS.iter().all(|arrow| arrow.curve.len() % 3 == 1));
    }

    #[test]
    fn mermaid_has_every_arrow_and_lights_what_is_asked() {
        let text = lit(State::Established, None).mermaid();
        assert!(text.starts_with("stateDiagram-v2\n"));
        assert_eq!(text.matches(" --> ").count(), 21);
        assert!(text.contains("    ESTABLISHED --> FIN_WAIT_1: CLOSE / snd FIN\n"));
        assert!(text.contains("    SYN_RECEIVED --> ESTABLISHED: rcv ACK of SYN\n"));
        assert_eq!(text.matches("class ESTABLISHED lit").count(), 1);
        assert_eq!(StateDiagram::default().mermaid().matches("    class ").count(), 0);
    }

    #[test]
    fn the_boxes_never_move() {
        let place = |svg: &str| -> Vec<String> {
            svg.split("<rect ").skip(2).map(|rect| rect.split(" rx").next().unwrap_or_default().to_owned()).collect()
        };
        let plain = place(&StateDiagram::default().svg());
        assert_eq!(plain.len(), 11);
        for state in State::ALL {
            assert_eq!(place(&lit(state, Some("client")).svg()), plain);
        }
    }

    #[test]
    fn svg_lights_the_state_and_what_can_follow() {
        let svg = lit(State::Established, Some("client")).svg();
        assert_eq!(svg.matches(colour::LIT).count(), 1);
        // Two arrows leave ESTABLISHED, each a line, a head, and two lines of words.
        assert_eq!(svg.matches(colour::NEXT).count(), 8);
        assert!(svg.contains(">client</text>"));
        assert!(svg.contains("<title>TCP states: ESTABLISHED (client)</title>"));
        assert_eq!(StateDiagram::default().svg().matches(colour::LIT).count(), 0);
    }

    #[test]
    fn text_marks_the_state_and_lists_its_arrows() {
        let text =
            StateDiagram::new([(State::TimeWait, Some("client".into())), (State::TimeWait, Some("other".into()))])
                .text();
        assert_eq!(text.matches('▶').count(), 21 + 1);
        assert!(text.contains("▶ [TIME-WAIT]"));
        assert!(text.contains("client, other"));
        let line = text.lines().find(|line| line.contains("timeout 2MSL")).unwrap();
        assert!(line.ends_with("─▶ CLOSED"), "{line}");
    }

    #[test]
    fn labels_cannot_break_out() {
        let label = "\"]; <script>alert(1)</script>\nclass X lit";
        let diagram = lit(State::Closed, Some(label));
        assert!(!diagram.svg().contains("<script"));
        assert!(!diagram.mermaid().contains("<script"));
        assert_eq!(diagram.mermaid().matches(" lit\n").count(), 1);
        let plain = StateDiagram::new([(State::Closed, Some("x".to_owned()))]);
        assert_eq!(diagram.text().lines().count(), plain.text().lines().count());
        let long = lit(State::Closed, Some(&"x".repeat(10_000)));
        assert!(long.svg().len() < plain.svg().len() + 200);
    }
}
