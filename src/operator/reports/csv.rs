//! Reports as CSV (RFC 4180), for those who ask for it: `?format=csv`, or `Accept: text/csv`.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Error,
    operator::render::{Failure, json_response},
};

/// What somebody wants a report in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// A table (RFC 4180).
    Csv,
    /// Everything.
    Json,
}

/// The form of the answer.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::operator) struct FormatQuery {
    /// JSON if absent, unless `Accept` begins with `text/csv`.
    #[param(inline)]
    format: Option<Format>,
}

impl Format {
    /// What a request asks for.
    pub(super) fn of(query: &FormatQuery, headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let wants_csv = accept.is_some_and(|accept| accept.trim_start().starts_with("text/csv"));
        let accepted = if wants_csv { Self::Csv } else { Self::Json };
        query.format.unwrap_or(accepted)
    }
}

/// What a report has besides its JSON form: rows of cells.
pub(super) trait Table: Serialize {
    /// The columns' names.
    fn headings(&self) -> Vec<&'static str>;

    /// The rows.
    fn rows(&self) -> Vec<Vec<String>>;

    /// Where the list goes on.
    fn next(&self) -> Option<&str> {
        None
    }
}

/// The report in the form that was asked for. Of a list that goes on, CSV has the cursor in `X-Next-Cursor`.
pub(super) fn answer(format: Format, report: &impl Table) -> Result<Response, Failure> {
    if format == Format::Json {
        return Ok(json_response(StatusCode::OK, report));
    }
    let text = csv_text(&report.headings(), report.rows()).map_err(Error::internal)?;
    let content_type = HeaderValue::from_static("text/csv; charset=utf-8");
    let mut response = (StatusCode::OK, [(header::CONTENT_TYPE, content_type)], text).into_response();
    if let Some(next) = report.next().and_then(|next| HeaderValue::from_str(next).ok()) {
        response.headers_mut().insert("x-next-cursor", next);
    }
    Ok(response)
}

/// A table as CSV.
pub fn csv_text(headings: &[&str], rows: Vec<Vec<String>>) -> Result<Vec<u8>, String> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let written = writer.write_record(headings).and_then(|()| {
        let mut rows = rows.into_iter();
        rows.try_for_each(|row| writer.write_record(row.iter().map(|cell| harmless(cell))))
    });
    written.map_err(|error| error.to_string())?;
    writer.into_inner().map_err(|error| error.to_string())
}

/// Devices choose their names: a spreadsheet must not take one for a formula.
fn harmless(cell: &str) -> String {
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{cell}"),
        _ => cell.to_owned(),
    }
}

/// A cell of something that may be absent.
pub(super) fn cell(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_w5_a_name_is_never_a_formula() {
        assert_eq!(harmless("=HYPERLINK(\"http://x\")"), "'=HYPERLINK(\"http://x\")");
        assert_eq!(harmless("+1"), "'+1");
        assert_eq!(harmless("iPhone"), "iPhone");
        assert_eq!(harmless(""), "");
    }
}
