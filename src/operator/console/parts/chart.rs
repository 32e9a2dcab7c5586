//! Charts, drawn on the server as SVG. Each says in words what it shows.

use maud::{Markup, html};

use super::{Tone, text::number};

/// So many kinds of colours are there for things that are neither good nor bad.
const COLOURS: usize = 6;

/// Horizontal bars, each with its name and figure.
pub(in super::super) fn bars(label: &str, bars: &[(String, u64)]) -> Markup {
    let most = bars.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    html! {
        ul.bars aria-label=(label) {
            @for (name, value) in bars {
                li {
                    span { (name) }
                    svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                        rect.c0 width=(share(*value, most, 100.0)) height="10" rx="2" {}
                    }
                    span.value { (number(*value)) }
                }
            }
        }
    }
}

/// A ring of shares, with a legend that has the figures.
pub(in super::super) fn donut(label: &str, middle: &str, parts: &[(String, u64)]) -> Markup {
    let whole: u64 = parts.iter().map(|(_, value)| value).sum();
    let mut begun = 0;
    let arcs: Vec<(usize, f64, f64)> = parts
        .iter()
        .enumerate()
        .map(|(place, (_, value))| {
            let begin = share(begun, whole.max(1), 100.0);
            begun += value;
            (place % COLOURS, begin, share(*value, whole.max(1), 100.0))
        })
        .collect();
    html! {
        div.donut {
            svg viewBox="0 0 42 42" role="img" aria-label=(format!("{label}: {}", in_words(parts))) {
                circle.ring.track cx="21" cy="21" r="15.9155" stroke-width="5" {}
                @for (colour, begin, length) in arcs {
                    @if length > 0.0 {
                        circle class={ "ring c" (colour) } cx="21" cy="21" r="15.9155" stroke-width="5" pathLength="100"
                            stroke-dasharray=(format!("{length:.2} {:.2}", 100.0 - length))
                            stroke-dashoffset=(format!("{:.2}", -begin)) transform="rotate(-90 21 21)" {}
                    }
                }
                text.middle x="21" y="23" text-anchor="middle" { (middle) }
            }
            ul.legend {
                @for (place, (name, value)) in parts.iter().enumerate() {
                    li { span class={ "key c" (place % COLOURS) } { (name) } span.num { (number(*value)) } }
                }
            }
        }
    }
}

/// Something that expires.
#[derive(Clone, Debug)]
pub(in super::super) struct Expiry {
    /// What it is.
    pub(in super::super) name: String,
    /// Where there is more of it.
    pub(in super::super) address: String,
    /// Days that are left; negative once it has expired.
    pub(in super::super) days: i64,
}

impl Expiry {
    /// How urgent it is.
    pub(in super::super) fn tone(&self) -> Tone {
        match self.days {
            ..=7 => Tone::Bad,
            8..=30 => Tone::Warn,
            _ => Tone::Ok,
        }
    }

    /// How much is left, in words.
    pub(in super::super) fn left(&self) -> String {
        match self.days {
            ..0 => format!("expired {} days ago", -self.days),
            0 => "expires today".into(),
            1 => "1 day left".into(),
            days => format!("{days} days left"),
        }
    }
}

/// A year ahead, with a mark for each thing that expires in it; what is near has more room.
pub(in super::super) fn expiry_strip(expiries: &[Expiry]) -> Markup {
    let place = |days: i64| 12.0 + (days.clamp(0, 365) as f64 / 365.0).sqrt() * 576.0;
    html! {
        div.strip {
            svg viewBox="0 0 600 56" role="img" aria-label="When things expire, from today to a year ahead; the list below says it in words" {
                rect.bad x="12" y="26" width=(format!("{:.0}", place(7) - 12.0)) height="4" rx="2" {}
                rect.warn x=(format!("{:.0}", place(7))) y="26" width=(format!("{:.0}", place(30) - place(7))) height="4" {}
                rect.ok x=(format!("{:.0}", place(30))) y="26" width=(format!("{:.0}", place(365) - place(30))) height="4" rx="2" {}
                @for (days, text) in [(0, "today"), (7, "7 d"), (30, "30 d"), (90, "90 d"), (180, "180 d"), (365, "1 y")] {
                    text x=(format!("{:.0}", place(days))) y="50" text-anchor=(match days { 0 => "start", 365 => "end", _ => "middle" }) { (text) }
                }
                @for expiry in expiries {
                    circle class=(expiry.tone().as_str()) cx=(format!("{:.0}", place(expiry.days))) cy="28" r="7" {
                        title { (expiry.name) ": " (expiry.left()) }
                    }
                }
            }
        }
    }
}

/// Upright bars over their names, with figures.
pub(in super::super) fn histogram(label: &str, bars: &[(String, u64, Tone)]) -> Markup {
    let most = bars.iter().map(|(_, value, _)| *value).max().unwrap_or(0).max(1);
    let words: Vec<(String, u64)> = bars
        .iter()
        .map(|(name, value, _)| (name.clone(), *value))
        .collect();
    let width = 600.0 / bars.len().max(1) as f64;
    html! {
        div.histogram {
            svg viewBox="0 0 600 140" preserveAspectRatio="none" role="img" aria-label=(format!("{label}: {}", in_words(&words))) {
                line.axis x1="0" y1="118" x2="600" y2="118" {}
                @for (place, (name, value, tone)) in bars.iter().enumerate() {
                    @let height = share(*value, most, 92.0);
                    @let middle = (place as f64 + 0.5) * width;
                    rect class=(tone.as_str()) x=(format!("{:.1}", middle - width * 0.32)) y=(format!("{:.1}", 118.0 - height))
                        width=(format!("{:.1}", width * 0.64)) height=(format!("{height:.1}")) rx="3" {}
                    text x=(format!("{middle:.1}")) y=(format!("{:.1}", 112.0 - height)) text-anchor="middle" { (number(*value)) }
                    text x=(format!("{middle:.1}")) y="134" text-anchor="middle" { (name) }
                }
            }
        }
    }
}

/// A course over time, the oldest first.
pub(in super::super) fn sparkline(label: &str, values: &[u64]) -> Markup {
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let step = 300.0 / values.len().saturating_sub(1).max(1) as f64;
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(place, value)| {
            format!(
                "{:.1},{:.1}",
                place as f64 * step,
                42.0 - share(*value, most, 38.0)
            )
        })
        .collect();
    let line = points.join(" ");
    html! {
        div.spark {
            svg viewBox="0 0 300 44" preserveAspectRatio="none" role="img" aria-label=(label) {
                polygon.area points=(format!("0,44 {line} 300,44")) {}
                polyline.trend points=(line) {}
            }
        }
    }
}

/// How far something has come.
pub(in super::super) fn stage_bar(stage: &str, percent: u8) -> Markup {
    html! {
        div.stage {
            span { (stage) " " span.muted.nowrap { (percent) " %" } }
            svg viewBox="0 0 100 8" preserveAspectRatio="none" role="progressbar" aria-label=(stage)
                aria-valuemin="0" aria-valuemax="100" aria-valuenow=(percent) {
                rect.track width="100" height="8" rx="2" {}
                rect.info width=(percent) height="8" rx="2" {}
            }
        }
    }
}

fn share(value: u64, whole: u64, length: f64) -> f64 {
    (value as f64 / whole as f64 * length * 100.0).round() / 100.0
}

fn in_words(parts: &[(String, u64)]) -> String {
    let words: Vec<String> = parts
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    words.join(", ")
}
