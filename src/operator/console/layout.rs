//! The frame around every page: navigation, search, banners, and the place where the content goes. Before the sign-in
//! there is none of that: a card in the middle.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    assets::address,
    confine::leads_to,
    frame::{Frame, Page},
    nav::SECTIONS,
    parts::{note, text::prose},
    theme::Theme,
};

/// Without evaluation of texts as code, without a style of its own, and with what a refused form answers put in its
/// place.
const HTMX: &str = r#"{"allowEval":false,"includeIndicatorStyles":false,"historyCacheSize":0,"selfRequestsOnly":true,"responseHandling":[{"code":"204","swap":false},{"code":"[23]..","swap":true},{"code":"[45]..","swap":true,"error":true}]}"#;

/// Drawn here once more: the file has a colour of its own, this one the text's.
const MARK: PreEscaped<&str> = PreEscaped(
    r##"<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="#9a3f12"/><path d="M11 24V8h6.2a5 5 0 0 1 1.6 9.7L22.5 24M11 18h6" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>"##,
);

/// The whole document.
pub(super) fn document(frame: &Frame, page: &Page) -> Markup {
    let head = html! {
        meta name="htmx-config" content=(HTMX);
        script src=(address("htmx.min.js")) defer {}
        script src=(address("sse.min.js")) defer {}
        script src=(address("console.js")) defer {}
    };
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        (top(frame))
        @for banner in &frame.banners {
            div class={ "banner " (banner.tone) } role="status" {
                b { (banner.what) }
                span {
                    (prose(&banner.step))
                    @if let Some((address, name)) = banner.link { " " a href=(address) { (name) } "." }
                }
            }
        }
        div.shell {
            nav.side aria-label="Sections" { (sections(frame)) }
            main #main tabindex="-1" { (content(frame, page)) }
        }
    };
    whole(frame.theme, &page.title, &head, &body)
}

/// A document without navigation and without scripts, for whoever has not signed in: a card in the middle. `head` is what
/// goes into the document's head.
pub(super) fn bare(theme: Theme, title: &str, head: &Markup, content: &Markup) -> Markup {
    let body = html! {
        main.gate #main {
            div.brand { (MARK) span { "Russet" } }
            section.card aria-label=(title) { div.in { h1 { (title) } (content) } }
        }
    };
    whole(theme, title, head, &body)
}

fn whole(theme: Theme, title: &str, head: &Markup, body: &Markup) -> Markup {
    let theme = Some(theme).filter(|theme| *theme != Theme::Auto);
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme.map(Theme::as_str)] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Russet" }
                link rel="icon" href=(address("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(address("style.css"));
                (head)
            }
            body { (body) }
        }
    }
}

fn top(frame: &Frame) -> Markup {
    let known = !frame.operator.name.is_empty();
    html! {
        header.top {
            a.brand href="/" { (MARK) span { "Russet" } }
            @if known {
                form.find role="search" action="/devices" method="get" {
                    label.sr for="find" { "Find a device" }
                    input #find type="search" name="q" placeholder="Find a device: serial number, UDID, user, name" autocomplete="off";
                    button type="submit" { "Find" }
                }
            }
            div.who {
                @if known { a.name href="/account" title="Your account" { (frame.operator.name) } }
                @if !frame.csrf.is_empty() {
                    form action="/logout" method="post" { (frame.csrf_field()) button.small type="submit" { "Sign out" } }
                }
                (switch(frame))
            }
            @if known {
                details.menu {
                    summary.button { "Menu" }
                    nav aria-label="Sections" {
                        div.sections { (sections(frame)) (switch(frame)) }
                    }
                }
            }
        }
    }
}

/// The three colours.
fn switch(frame: &Frame) -> Markup {
    html! {
        form.swatches action="/theme" method="post" aria-label="Colours" {
            (frame.csrf_field())
            input type="hidden" name="back" value=(frame.address);
            @for theme in Theme::ALL {
                button type="submit" name="theme" value=(theme.as_str()) aria-pressed=(theme == frame.theme) {
                    (match theme { Theme::Auto => "Auto", Theme::Light => "Light", Theme::Dark => "Dark" })
                }
            }
        }
    }
}

fn sections(frame: &Frame) -> Markup {
    html! {
        div.sections {
            @for (name, entries) in SECTIONS {
                @let seen: Vec<_> = entries.iter().filter(|entry| leads_to(&frame.operator, entry)).collect();
                @if !seen.is_empty() {
                    @if !name.is_empty() { h2 { (name) } }
                    ul {
                        @for entry in seen {
                            li { a href=(entry.path) aria-current=[entry.holds(&frame.path).then_some("page")] { (entry.name) } }
                        }
                    }
                }
            }
        }
    }
}

fn content(frame: &Frame, page: &Page) -> Markup {
    html! {
        @if !page.crumbs.is_empty() {
            nav aria-label="Above this page" {
                ol.crumbs { @for (address, name) in &page.crumbs { li { a href=(address) { (name) } } } }
            }
        }
        div.head {
            div {
                h1 { (page.title) }
                @if let Some(lead) = &page.lead { p.lead { (lead) } }
            }
            @if let Some(actions) = &page.actions { div.actions { (actions) } }
        }
        @if let Some(told) = frame.told() { div.stack { (note::told(&told)) (page.body) } } @else { (page.body) }
    }
}
