//! A figure with its name.

use maud::{Markup, html};

use super::Tone;

/// A figure.
#[derive(Clone, Debug)]
pub(in super::super) struct Tile<'a> {
    label: &'a str,
    value: String,
    detail: Option<String>,
    address: Option<&'a str>,
    tone: Tone,
    live: Option<&'a str>,
}

impl<'a> Tile<'a> {
    /// With its name.
    pub(in super::super) fn new(label: &'a str, value: impl Into<String>) -> Self {
        Self {
            label,
            value: value.into(),
            detail: None,
            address: None,
            tone: Tone::Quiet,
            live: None,
        }
    }

    /// What the figure is made of.
    pub(in super::super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Where there is more.
    pub(in super::super) fn link(mut self, address: &'a str) -> Self {
        self.address = Some(address);
        self
    }

    /// How good or bad it is.
    pub(in super::super) fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The name of the event that brings a new figure.
    pub(in super::super) fn live(mut self, event: &'a str) -> Self {
        self.live = Some(event);
        self
    }

    /// As markup.
    pub(in super::super) fn show(&self) -> Markup {
        let inner = html! {
            span.label { (self.label) }
            span.value sse-swap=[self.live] { (self.value) }
            @if let Some(detail) = &self.detail { span.detail { (detail) } }
        };
        html! {
            @if let Some(address) = self.address {
                a class={ "tile " (self.tone.as_str()) } href=(address) { (inner) }
            } @else {
                div class={ "tile " (self.tone.as_str()) } { (inner) }
            }
        }
    }
}

/// Several in a row.
pub(in super::super) fn tiles<'a>(tiles: impl IntoIterator<Item = Tile<'a>>) -> Markup {
    html! { div.tiles { @for tile in tiles { (tile.show()) } } }
}
