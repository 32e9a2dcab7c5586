//! Tables, which become cards on a phone, and the way from one page of them to the next.

use maud::{Markup, html};

use crate::operator::console::frame::encoded;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Column {
    name: &'static str,
    class: Option<&'static str>,
}

/// A column of texts.
pub(in super::super) const fn col(name: &'static str) -> Column {
    Column { name, class: None }
}

/// A column of numbers.
pub(in super::super) const fn num(name: &'static str) -> Column {
    Column {
        name,
        class: Some("num"),
    }
}

/// A column of buttons.
pub(in super::super) const fn acts() -> Column {
    Column {
        name: "Actions",
        class: Some("acts"),
    }
}

/// A table; each row's first cell is what it is about. The caption is for whoever can't see the page.
pub(in super::super) fn table(caption: &str, columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table.cards {
                caption.sr { (caption) }
                thead {
                    tr {
                        @for column in columns {
                            th scope="col" class=[column.class] {
                                @if column.class == Some("acts") { span.sr { (column.name) } } @else { (column.name) }
                            }
                        }
                    }
                }
                tbody { @for row in rows { (line(columns, row)) } }
            }
        }
    }
}

fn line(columns: &[Column], row: &[Markup]) -> Markup {
    html! {
        tr {
            @for (place, (column, cell)) in columns.iter().zip(row).enumerate() {
                @if place == 0 {
                    th scope="row" class=[column.class] { (cell) }
                } @else if cell.0.is_empty() {
                    td class=[column.class] {}
                } @else {
                    // One box: on a phone it stands beside its label.
                    td class=[column.class] data-label=(column.name) { div { (cell) } }
                }
            }
        }
    }
}

/// Something, or a dash that is not read aloud.
pub(in super::super) fn or_dash(content: Option<Markup>) -> Markup {
    content.unwrap_or_else(|| html! { span.muted aria-hidden="true" { "–" } })
}

/// The way to the next page of a list, with the same parameters.
pub(in super::super) fn pager(
    path: &str,
    params: &[(&str, &str)],
    here: Option<&str>,
    next: Option<&str>,
) -> Markup {
    let base: Vec<String> = params
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let address = |cursor: Option<&str>| {
        let cursor = cursor.map(|cursor| format!("cursor={}", encoded(cursor)));
        let query: Vec<String> = base.iter().cloned().chain(cursor).collect();
        match query.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{}", query.join("&")),
        }
    };
    html! {
        @if here.is_some() || next.is_some() {
            nav.pager aria-label="Pages" {
                @if here.is_some() { a href=(address(None)) { "To the beginning" } } @else { span {} }
                @if next.is_some() { a.button.small href=(address(next)) rel="next" { "Next page" } } @else { span.muted { "That is all." } }
            }
        }
    }
}
