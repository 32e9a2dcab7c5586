//! What pages are put together from.

pub(super) mod chart;
pub(super) mod field;
pub(super) mod note;
pub(super) mod table;
pub(super) mod text;
pub(super) mod tile;
pub(super) mod time;

use maud::{Markup, html};

/// How good or bad something is. Shown by colour and shape, and always said in words too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Bad,
    Info,
    Ok,
    Quiet,
    Warn,
}

impl Tone {
    /// Its class in the style sheet.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Info => "info",
            Self::Ok => "ok",
            Self::Quiet => "quiet",
            Self::Warn => "warn",
        }
    }
}

/// A state, in one or two words.
pub(super) fn badge(tone: Tone, text: impl AsRef<str>) -> Markup {
    html! { span class={ "badge " (tone.as_str()) } { (text.as_ref()) } }
}

/// A box with a title.
pub(super) fn card(title: &str, body: Markup) -> Markup {
    html! {
        section.card aria-label=(title) {
            header { h2 { (title) } }
            div.in { (body) }
        }
    }
}

/// A box with a title and something beside it, whose content reaches its edges: a table.
pub(super) fn sheet(title: &str, aside: Markup, body: Markup) -> Markup {
    html! {
        section.card aria-label=(title) {
            header { h2 { (title) } (aside) }
            (body)
        }
    }
}

/// There is nothing to show, and what to do about it.
pub(super) fn empty(title: &str, text: &str, action: Option<(&str, &str)>) -> Markup {
    html! {
        div.empty {
            h2 { (title) }
            p { (text) }
            @if let Some((address, name)) = action { p.actions { a.button href=(address) { (name) } } }
        }
    }
}

/// Pairs of a name and what it is; those without content are left out.
pub(super) fn facts(pairs: &[(&str, Option<Markup>)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in pairs {
                @if let Some(value) = value { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// A text as the content of a fact.
pub(super) fn plain(text: impl AsRef<str>) -> Option<Markup> {
    let text = text.as_ref();
    (!text.is_empty()).then(|| html! { (text) })
}

/// A text that may be absent as the content of a fact.
pub(super) fn maybe<T: AsRef<str>>(text: Option<T>) -> Option<Markup> {
    text.and_then(plain)
}

/// The same for identifiers.
pub(super) fn code<T: AsRef<str>>(text: Option<T>) -> Option<Markup> {
    text.map(|text| html! { code { (text.as_ref()) } })
}

/// A button that does something at once: a form of its own.
pub(super) fn button(csrf: Markup, action: &str, class: &str, name: &str) -> Markup {
    html! { form action=(action) method="post" { (csrf) button type="submit" class=(class) { (name) } } }
}

/// A button that asks before it does what can't be undone. Opens without scripts.
pub(super) fn confirmed(csrf: Markup, action: &str, class: &str, name: &str, question: &str) -> Markup {
    html! {
        details.confirm {
            summary class={ "button " (class) } { (name) "…" }
            form.ask action=(action) method="post" {
                (csrf)
                p { (question) }
                div.buttons { button type="submit" class="danger" { (name) } }
            }
        }
    }
}

/// Tabs: links, of which one is the present page.
pub(super) fn tabs(label: &str, links: &[(String, &str)], present: &str) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            @for (address, name) in links {
                a href=(address) aria-current=[(*name == present).then_some("page")] { (name) }
            }
        }
    }
}
