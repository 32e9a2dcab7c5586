//! Numbers and texts as people read them.

use maud::{Markup, html};

/// A number with thin spaces between its thousands.
pub(in super::super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number of things.
pub(in super::super) fn count(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// Bytes, in the unit that leaves at most three digits.
pub(in super::super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value < 10.0 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// A sentence in which backticks mark what is typed.
pub(in super::super) fn prose(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A long text in fixed width, with a button that copies it where scripts run.
pub(in super::super) fn block(id: &str, text: &str) -> Markup {
    html! {
        div.codeblock {
            pre id=(id) tabindex="0" { (text) }
            button.small type="button" data-copy=(id) { "Copy" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_marked_and_nothing_else() {
        let shown = prose("Run `russet <x>` & see.").into_string();
        assert_eq!(shown, "Run <code>russet &lt;x&gt;</code> &amp; see.");
    }

    #[test]
    fn numbers_are_grouped_and_bytes_are_short() {
        assert_eq!(number(7), "7");
        assert_eq!(number(1234567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(1, "device", "devices"), "1 device");
        assert_eq!(count(2000, "device", "devices"), "2\u{202f}000 devices");
        assert_eq!(bytes(12), "12 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 * 1024 * 1024 * 1024), "5.0 GiB");
    }
}
