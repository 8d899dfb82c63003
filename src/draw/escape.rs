//! Foreign text in a drawing: capped, without control characters, and with nothing left that the format would obey.

/// How many characters of a label are drawn.
pub const LONGEST: usize = 64;

/// Caps `text` at [`LONGEST`] characters (the last is then `…`), and replaces control and direction characters.
pub fn label(text: &str) -> String {
    let visible = |c: char| match c {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    let mut characters = text.chars();
    let mut out: String = characters.by_ref().take(LONGEST).map(visible).collect();
    if characters.next().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

/// [`label`] for HTML and SVG, in text and in quoted attributes.
pub fn xml(text: &str) -> String {
    let mut out = String::new();
    for c in label(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// [`label`] for Mermaid: everything that is not a letter, a digit or harmless becomes an entity code (`#35;`).
pub fn mermaid(text: &str) -> String {
    let mut out = String::new();
    for c in label(text).chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '-' | '.' | ',' | '_' | '/') {
            out.push(c);
        } else {
            out.push_str(&format!("#{};", u32::from(c)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(xml("<script>alert('x')&\"</script>"), "&lt;script&gt;alert(&#39;x&#39;)&amp;&quot;&lt;/script&gt;");
        assert_eq!(mermaid("a;b\nclick X \"y\""), "a#59;b#65533;click X #34;y#34;");
    }

    #[test]
    fn long_labels_are_capped_before_they_are_escaped() {
        let long = xml(&"&".repeat(1000));
        assert_eq!(long, format!("{}…", "&amp;".repeat(LONGEST - 1)));
        assert_eq!(label(&"x".repeat(LONGEST)), "x".repeat(LONGEST));
    }

    #[test]
    fn direction_marks_and_controls_do_not_pass() {
        assert_eq!(label("a\u{202e}b\u{1b}[31mc\u{0}"), "a\u{fffd}b\u{fffd}[31mc\u{fffd}");
    }
}
