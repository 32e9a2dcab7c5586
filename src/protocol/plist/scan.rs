//! A look at an XML body before it is parsed, which refuses what the parser would get wrong.
//!
//! The `plist` crate reads XML with quick-xml and recurses per level when it decodes: some 9,000 levels (a body of
//! 140 KB) overflow a thread's stack, which nothing can catch. Entities other than XML's five, and CDATA sections, it
//! drops without an error. A date whose offset carries it out of the year 9999 panics. All of that is refused here.
//!
//! This scan has to see the tags that quick-xml sees, so it takes a narrower view wherever they might differ: element
//! names are letters and digits, `<` and an unpaired quote never stand inside a tag.

use super::{MAX_DEPTH, PlistError};

/// Far more than `<plist version="1.0">` with a namespace or two.
const MAX_TAG: usize = 256;
const SYSTEM_IDENTIFIER: &str = "://www.apple.com/DTDs/PropertyList-1.0.dtd\"";

/// Whether the parser may be let at `body`.
pub(super) fn check(body: &[u8]) -> Result<(), PlistError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(PlistError::Empty);
    }
    // UTF-16 and UTF-32, with or without a byte order mark.
    if body.starts_with(b"\xfe\xff") || body.starts_with(b"\xff\xfe") || body.iter().take(4).any(|b| *b == 0)
    {
        return Err(PlistError::Encoding);
    }
    if body.contains(&0) {
        return Err(PlistError::Nul);
    }
    let text = std::str::from_utf8(body).map_err(|_| PlistError::Encoding)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with('<') {
        return Err(PlistError::NotAPlist);
    }
    depth_of(text).map(|_| ())
}

/// How deep collections nest in `rest`, a document that is taken as a whole.
fn depth_of(mut rest: &str) -> Result<usize, PlistError> {
    let (mut depth, mut deepest) = (0_usize, 0);
    while let Some((text, markup)) = rest.split_once('<') {
        references(text)?;
        rest = if let Some(markup) = markup.strip_prefix('/') {
            let (name, rest) = markup.split_once('>').ok_or(PlistError::Syntax)?;
            let name = name.trim_ascii_end();
            if name.bytes().any(|b| !b.is_ascii_alphanumeric()) {
                return Err(PlistError::Syntax);
            }
            if is_collection(name) {
                depth = depth.checked_sub(1).ok_or(PlistError::Syntax)?;
            }
            rest
        } else if let Some(markup) = markup.strip_prefix('!') {
            declaration(markup)?
        } else if let Some(markup) = markup.strip_prefix('?') {
            instruction(markup)?
        } else {
            let (tag, rest) = markup.split_once('>').ok_or(PlistError::Syntax)?;
            let (name, closed) = start_tag(tag)?;
            if !closed {
                if is_collection(name) {
                    depth += 1;
                }
                if name == "date" {
                    date(rest)?;
                }
            }
            deepest = deepest.max(depth);
            if depth > MAX_DEPTH {
                return Err(PlistError::TooDeep);
            }
            rest
        };
    }
    references(rest)?;
    if depth == 0 {
        Ok(deepest)
    } else {
        Err(PlistError::Syntax)
    }
}

fn is_collection(name: &str) -> bool {
    matches!(name, "array" | "dict")
}

/// The name of a start tag, and whether it is its own end.
fn start_tag(tag: &str) -> Result<(&str, bool), PlistError> {
    if tag.len() > MAX_TAG {
        return Err(PlistError::TagTooLong);
    }
    let end = tag.bytes().position(|b| !b.is_ascii_alphanumeric());
    let (name, attributes) = tag.split_at(end.unwrap_or(tag.len()));
    let spaced = attributes.starts_with([' ', '\t', '\r', '\n']);
    if name.is_empty() || !(spaced || attributes.is_empty() || attributes == "/") {
        return Err(PlistError::Syntax);
    }
    quotes_close(attributes)?;
    Ok((name, attributes.ends_with('/')))
}

/// Refuses a tag that goes on, its `>` being inside quotes.
fn quotes_close(tag: &str) -> Result<(), PlistError> {
    let mut open = None;
    for byte in tag.bytes() {
        match (open, byte) {
            (_, b'<') => return Err(PlistError::Syntax),
            (None, b'"' | b'\'') => open = Some(byte),
            (Some(quote), _) if quote == byte => open = None,
            _ => {}
        }
    }
    if open.is_some() {
        Err(PlistError::Syntax)
    } else {
        Ok(())
    }
}

/// Takes a comment or Apple's document type, and nothing else that begins with `<!`.
fn declaration(markup: &str) -> Result<&str, PlistError> {
    if let Some(comment) = markup.strip_prefix("--") {
        // Parsers disagree on whether `<!-->` is a whole comment.
        if comment.starts_with('>') || comment.starts_with("->") {
            return Err(PlistError::Syntax);
        }
        return comment
            .split_once("-->")
            .map(|(_, rest)| rest)
            .ok_or(PlistError::Syntax);
    }
    if markup.starts_with("[CDATA[") {
        return Err(PlistError::Cdata);
    }
    let doctype = markup.strip_prefix("DOCTYPE").ok_or(PlistError::Doctype)?;
    let (doctype, rest) = doctype.split_once('>').ok_or(PlistError::Doctype)?;
    let quoted = doctype.contains(['"', '\'']);
    if doctype.split_ascii_whitespace().next() != Some("plist")
        || doctype.contains('[')
        || (quoted && !doctype.trim_ascii_end().ends_with(SYSTEM_IDENTIFIER))
        || quotes_close(doctype).is_err()
    {
        return Err(PlistError::Doctype);
    }
    Ok(rest)
}

/// Takes a processing instruction; the one named `xml` must not declare another encoding.
fn instruction(markup: &str) -> Result<&str, PlistError> {
    let (instruction, rest) = markup.split_once("?>").ok_or(PlistError::Syntax)?;
    if !instruction.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(PlistError::Syntax);
    }
    if instruction.starts_with("xml")
        && let Some((_, value)) = instruction.split_once("encoding")
    {
        let value = value.trim_start_matches(|c: char| c.is_ascii_whitespace() || "='\"".contains(c));
        let name = value.split(['"', '\'']).next().unwrap_or_default();
        if !["utf-8", "utf8", "us-ascii"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
        {
            return Err(PlistError::Encoding);
        }
    }
    Ok(rest)
}

/// Takes the five entities of XML and numeric references in `text`; the parser checks the latter.
fn references(mut text: &str) -> Result<(), PlistError> {
    while let Some((_, reference)) = text.split_once('&') {
        let (name, rest) = reference.split_once(';').ok_or(PlistError::Syntax)?;
        if !matches!(name, "amp" | "apos" | "gt" | "lt" | "quot") && !name.starts_with('#') {
            return Err(PlistError::Entity);
        }
        text = rest;
    }
    Ok(())
}

/// Takes a date in UTC, whole and in one piece.
fn date(rest: &str) -> Result<(), PlistError> {
    match rest.split_once('<') {
        Some((text, end)) if end.starts_with('/') && text.ends_with('Z') && !text.contains('&') => Ok(()),
        _ => Err(PlistError::Date),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use quick_xml::{Reader, events::Event};

    use super::*;

    #[test]
    fn ordinary_documents_pass() {
        for body in [
            "<plist/>",
            "\u{feff}<?xml version='1.0' encoding='utf-8'?><plist version=\"1.0\"><dict/></plist>",
            "<?xml version=\"1.0\"?><!DOCTYPE plist><plist><array><true/></array></plist>",
            "<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"><plist a='/' />",
            "<!-- <array> --><string>a&amp;b&#x41;</string ><?pi <array> ?>",
            "<date>0001-01-01T00:00:00Z</date>",
        ] {
            assert_eq!(check(body.as_bytes()), Ok(()), "{body}");
        }
    }

    /// K-X1, K-X2, K-X3: each is refused, and says why.
    #[test]
    fn hostile_documents_are_refused() {
        use PlistError::*;
        let laughs = "<!DOCTYPE plist [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><string>&b;</string>";
        let attributes = format!("<plist{}>", " a='1'".repeat(100_000));
        for (body, error) in [
            (" \r\n", Empty),
            ("{\"a\": 1}", NotAPlist),
            ("<string>a\0b</string>", Nul),
            (laughs, Doctype),
            ("<!DOCTYPE plist SYSTEM \"file:///etc/passwd\"><string/>", Doctype),
            (
                "<!DOCTYPE plist SYSTEM \"http://example.com/x.dtd\"><string/>",
                Doctype,
            ),
            ("<!DOCTYPE html><string/>", Doctype),
            ("<!doctype plist><string/>", Doctype),
            ("<!ENTITY a 'b'><string/>", Doctype),
            ("<string>&nbsp;</string>", Entity),
            ("<string>&amp</string>", Syntax),
            ("<string><![CDATA[x]]></string>", Cdata),
            ("<?xml version='1.0' encoding='ISO-8859-1'?><string/>", Encoding),
            (attributes.as_str(), TagTooLong),
            ("<array>", Syntax),
            ("</array>", Syntax),
            ("<x:array></x:array>", Syntax),
            ("<array a='>'></array>", Syntax),
            ("<array <array>></array>", Syntax),
            ("<!--><array>-->", Syntax),
            ("<!-- ", Syntax),
            ("<?", Syntax),
            ("<", Syntax),
        ] {
            assert_eq!(check(body.as_bytes()), Err(error), "{:.60}", body);
        }
        let utf16: Vec<u8> = "<plist/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for body in [
            &utf16[..],
            &[b"\xff\xfe", &utf16[..]].concat(),
            b"\0\0\0<",
            b"<string>\xe9</string>",
        ] {
            assert_eq!(check(body), Err(Encoding));
        }
    }

    /// The parser takes any offset, and panics if that leads out of the year 9999.
    #[test]
    fn dates_are_in_utc() {
        for date in [
            "9999-12-31T23:59:59-23:59",
            "0000-01-01T00:00:00+01:00",
            "2024-01-31T12:00:00<!-- Z -->-01:00",
            "2024-01-31T12:00:00&#45;01:00",
            "9999-12-31T23:59:59<!--Z--> ",
            "",
        ] {
            let body = format!("<date>{date}</date>");
            assert_eq!(check(body.as_bytes()), Err(PlistError::Date), "{date}");
        }
    }

    /// What the parser would see in `body`: how deep it nests, or an error for what it would drop or trip over.
    fn depth_to_the_parser(body: &str) -> Result<usize, &'static str> {
        let mut reader = Reader::from_reader(body.as_bytes());
        let (mut depth, mut deepest) = (0_usize, 0);
        let mut buffer = Vec::new();
        loop {
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Start(tag)) if is_collection(tag.local_name().as_ref()) => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                Ok(Event::End(tag)) if is_collection(tag.local_name().as_ref()) => depth -= 1,
                Ok(Event::CData(_)) => return Err("CDATA"),
                Ok(Event::DocType(doctype)) if doctype.as_ref().contains('[') => return Err("a DTD"),
                Ok(Event::GeneralRef(name)) if !name.starts_with('#') => {
                    if !["amp", "apos", "gt", "lt", "quot"].contains(&name.as_ref()) {
                        return Err("an entity");
                    }
                }
                Ok(Event::Eof) | Err(_) => return Ok(deepest),
                Ok(_) => {}
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_scan_and_the_parser_see_the_same_tags(
            parts in vec(select(vec![
                "<array>", "</array>", "<array/>", "<dict>", "</dict>", "<array a='", "'>", "\">", ">", "<!--", "-->",
                "<!-->", "<!--->", "--", "-", "<?", "?>", "<?xml ", "<![CDATA[", "]]>", "<!DOCTYPE plist", " [", "]",
                "<!ENTITY a 'b'>", "&a;", "&amp;", "&#65;", "&", ";", "'", "\"", "/", "<", " ", "\n", "x", "<string>",
                "</string>", "<date>", "</date>", "2024-01-31T12:00:00Z", "encoding='UTF-8'", "é",
            ]), 0..24),
        ) {
            let parts = parts.concat();
            for body in [
                parts.clone(),
                format!("<plist>{parts}</plist>"),
                format!("<plist><array>{parts}</array></plist>"),
                // Across the parser's buffer of 8 KiB.
                format!("<plist>{}{parts}</plist>", " ".repeat(8180 - parts.len() / 2)),
            ] {
                if let Ok(depth) = depth_of(&body) {
                    let parsed = depth_to_the_parser(&body);
                    prop_assert!(parsed.is_ok_and(|parsed| parsed <= depth), "{:?}, not {}: {}", parsed, depth, body);
                }
            }
        }
    }
}
