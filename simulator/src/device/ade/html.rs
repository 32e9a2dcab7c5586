//! Just enough HTML to find a form and fill it.

/// A form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Form {
    /// `action`; empty for the page's own address.
    pub(super) action: String,
    /// Whether it is sent by POST.
    pub(super) post: bool,
    /// Its inputs in their order.
    pub(super) inputs: Vec<Input>,
}

/// An input of a form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Input {
    pub(super) name: String,
    /// `type`, in lower case; `text` unless it says otherwise.
    pub(super) kind: String,
    pub(super) value: String,
}

impl Form {
    /// Whether it asks for a password.
    pub(super) fn asks_password(&self) -> bool {
        self.inputs.iter().any(|input| input.kind == "password")
    }
}

/// The forms of a page.
pub(super) fn forms(page: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut open = false;
    for tag in tags(page) {
        match tag.name.as_str() {
            "form" => {
                forms.push(Form {
                    action: tag.get("action"),
                    post: tag.get("method").eq_ignore_ascii_case("post"),
                    inputs: Vec::new(),
                });
                open = true;
            }
            "/form" => open = false,
            "input" | "button" => {
                let Some(form) = forms.last_mut().filter(|_| open) else {
                    continue;
                };
                let kind = tag.get("type").to_ascii_lowercase();
                let otherwise = if tag.name == "button" { "submit" } else { "text" };
                form.inputs.push(Input {
                    name: tag.get("name"),
                    kind: if kind.is_empty() { otherwise.into() } else { kind },
                    value: tag.get("value"),
                });
            }
            _ => {}
        }
    }
    forms
}

struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> String {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// The tags of a page, comments and scripts left out.
fn tags(page: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (tag, after) = tag(rest);
        rest = after;
        if ["script", "style"].contains(&tag.name.as_str()) {
            let end = format!("</{}", tag.name);
            let lower = rest.to_ascii_lowercase();
            rest = lower.find(&end).map_or("", |at| &rest[at..]);
        }
        tags.push(tag);
    }
    tags
}

/// Reads a tag after its `<`; answers what follows it.
fn tag(text: &str) -> (Tag, &str) {
    let end = text
        .find(|c: char| c.is_whitespace() || c == '>')
        .unwrap_or(text.len());
    let name = text[..end].trim_end_matches('/').to_ascii_lowercase();
    let mut attributes = Vec::new();
    let mut rest = text[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '/');
    while !rest.is_empty() && !rest.starts_with('>') {
        let end = rest
            .find(|c: char| c.is_whitespace() || c == '=' || c == '>')
            .unwrap_or(rest.len());
        let key = rest[..end].trim_end_matches('/').to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let (text, left) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                _ => {
                    let end = after.find(|c: char| c.is_whitespace() || c == '>');
                    after.split_at(end.unwrap_or(after.len()))
                }
            };
            (value, rest) = (unescape(text), left);
        }
        attributes.push((key, value));
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
    }
    let rest = rest.strip_prefix('>').unwrap_or(rest);
    (Tag { name, attributes }, rest)
}

/// The text with its character references resolved.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let resolved = rest.find(';').and_then(|end| {
            let character = match &rest[1..end] {
                "amp" => '&',
                "apos" => '\'',
                "gt" => '>',
                "lt" => '<',
                "quot" => '"',
                name => {
                    let digits = name.strip_prefix('#')?;
                    let code = match digits.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => digits.parse(),
                    };
                    char::from_u32(code.ok()?)?
                }
            };
            Some((character, end))
        });
        match resolved {
            Some((character, end)) => {
                plain.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_form_is_found_among_other_things() {
        let page = r#"<!DOCTYPE html><!-- <form action="/no"> --><script>if (1<2) "<form>"</script>
            <form method=POST action='/login?a=1&amp;b=&#x32;'><input type="hidden" name="csrf" value="&quot;x&quot;"/>
            <input name=user><input TYPE="password" name="pass" required><button type="submit">Go</button></form>
            <input name="outside">"#;
        let forms = forms(page);
        let input = |name: &str, kind: &str, value: &str| Input {
            name: name.into(),
            kind: kind.into(),
            value: value.into(),
        };
        assert_eq!(
            forms,
            [Form {
                action: "/login?a=1&b=2".into(),
                post: true,
                inputs: vec![
                    input("csrf", "hidden", "\"x\""),
                    input("user", "text", ""),
                    input("pass", "password", ""),
                    input("", "submit", ""),
                ],
            }]
        );
    }
}
