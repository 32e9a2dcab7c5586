//! `russet report …` and `russet device enrollment`: enrollment status as tables, CSV or JSON.

mod args;

use axum::http::Method;
use serde_json::Value;

use args::ListArgs;
pub(super) use args::ReportVerb;

use super::{
    args::Cli,
    output::{self, CliError, EXIT_FAILED, Output},
    remote::{client, items, lines, resolve, segment, text},
};
use crate::operator::{client::Client, csv_text};

/// A report for people.
struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Carries out one verb.
pub(super) async fn run(cli: &Cli, output: Output, verb: &ReportVerb) -> Result<(), CliError> {
    let client = client(cli).await?;
    match verb {
        ReportVerb::Active { list } => {
            let answer = all(&client, "active", "enrollments", list, &[]).await?;
            let columns = [
                ("DEVICE", "/device/name"),
                ("SERIAL", "/device/serial"),
                ("USER", "/user"),
                ("PLATFORM", "/platform"),
                ("OS", "/os_version"),
                ("STAGE", "/stage_label"),
                ("PERCENT", "/progress"),
                ("LAST HEARD OF", "/last_activity"),
            ];
            show(output, list.csv, &columns, &answer["enrollments"], &answer)
        }
        ReportVerb::Bootstrap { missing, csv } => {
            let list = ListArgs::everything(*csv);
            let escrowed = missing.then_some(("escrowed", "false".to_owned()));
            let filter: Vec<_> = escrowed.into_iter().collect();
            let answer = all(&client, "bootstrap", "macs", &list, &filter).await?;
            let columns = [
                ("ID", "/id"),
                ("SERIAL", "/serial"),
                ("DEVICE", "/device"),
                ("OS", "/os_version"),
                ("ESCROWED", "/bootstrap_token_escrowed"),
                ("USER APPROVED", "/user_approved"),
            ];
            show(output, *csv, &columns, &answer["macs"], &answer)
        }
        ReportVerb::ByPlatform { csv } => {
            let answer = get(&client, "/v1/reports/by-platform").await?;
            show(output, *csv, &PLATFORMS, &answer["platforms"], &answer)
        }
        ReportVerb::Expiry { csv } => expiry(&client, output, *csv).await,
        ReportVerb::Failure { id } => {
            let answer = get(&client, &format!("/v1/reports/failures/{}", segment(id))).await?;
            output.say(&lines(&answer, 0), &answer);
            Ok(())
        }
        ReportVerb::Failures { list, code } => {
            let filter: Vec<_> = code.iter().map(|code| ("code", code.clone())).collect();
            let answer = all(&client, "failures", "failures", list, &filter).await?;
            ended(output, list.csv, &answer["failures"], &answer)
        }
        ReportVerb::Incomplete { list, days, section } => {
            let mut filter = vec![("days", days.to_string())];
            filter.extend(section.iter().map(|section| ("section", section.clone())));
            let answer = all(&client, "incomplete", "enrollments", list, &filter).await?;
            if !output.json && !list.csv {
                output::line(format_args!(
                    "{} of {} enrollments in {} days were not completed ({} %)\n",
                    answer["incomplete"],
                    answer["initiated"],
                    answer["days"],
                    text(&answer["incomplete_rate"])
                ));
            }
            ended(output, list.csv, &answer["enrollments"], &answer)
        }
        ReportVerb::Overview { csv } => overview(&client, output, *csv).await,
    }
}

const PLATFORMS: [(&str, &str); 5] = [
    ("PLATFORM", "/label"),
    ("TOTAL", "/total"),
    ("LAST 7 DAYS", "/last_7_days"),
    ("SUCCESS %", "/success_rate"),
    ("AVERAGE S", "/average_seconds"),
];

async fn overview(client: &Client, output: Output, csv: bool) -> Result<(), CliError> {
    let answer = get(client, "/v1/reports/overview").await?;
    if csv {
        return as_csv(&tiles(&answer));
    }
    if output.json {
        output.say("", &answer);
        return Ok(());
    }
    let tiles = tiles(&answer);
    output.table(&tiles.headings, &tiles.rows, &Value::Null);
    output::line("");
    show(output, false, &PLATFORMS, &answer["platforms"], &Value::Null)?;
    if items(&answer["failure_reasons"]).next().is_some() {
        output::line("");
        let columns = [("FAILED", "/count"), ("CODE", "/code"), ("WHAT TO DO", "/step")];
        show(output, false, &columns, &answer["failure_reasons"], &Value::Null)?;
    }
    Ok(())
}

fn tiles(answer: &Value) -> Table {
    let tiles = [
        ("Enrolled", "enrolled"),
        ("In progress", "in_progress"),
        ("Pending", "pending"),
        ("Failed", "failed"),
    ];
    Table {
        headings: vec!["STATE", "DEVICES"],
        rows: tiles
            .iter()
            .map(|(label, key)| vec![(*label).to_owned(), text(&answer[*key])])
            .collect(),
    }
}

fn ended(output: Output, csv: bool, rows: &Value, answer: &Value) -> Result<(), CliError> {
    let columns = [
        ("ID", "/id"),
        ("LAST AT", "/last_at"),
        ("DEVICE", "/device/name"),
        ("SERIAL", "/device/serial"),
        ("USER", "/user"),
        ("PLATFORM", "/platform"),
        ("OS", "/os_version"),
        ("METHOD", "/method"),
        ("TIMES", "/count"),
        ("CODE", "/code"),
        ("WHAT TO DO", "/step"),
    ];
    show(output, csv, &columns, rows, answer)
}

async fn expiry(client: &Client, output: Output, csv: bool) -> Result<(), CliError> {
    let columns = [
        ("ID", "/id"),
        ("SERIAL", "/serial"),
        ("DEVICE", "/device"),
        ("EXPIRES", "/expires_at"),
        ("DAYS", "/days_left"),
    ];
    if csv || output.json {
        let answer = all(client, "expiry", "enrollments", &ListArgs::everything(csv), &[]).await?;
        return show(output, csv, &columns, &answer["enrollments"], &answer);
    }
    let answer = get(client, "/v1/reports/expiry?limit=20").await?;
    let mut rows = vec![vec!["expired".to_owned(), text(&answer["expired"])]];
    rows.extend(items(&answer["within"]).map(|step| {
        let days = format!("within {} days", step["days"]);
        vec![days, text(&step["identities"])]
    }));
    rows.push(vec!["later".to_owned(), text(&answer["later"])]);
    output.table(&["IDENTITIES", "DEVICES"], &rows, &Value::Null);
    for (title, key) in [
        ("PUSH CERTIFICATE", "push_certificates"),
        ("SERVER TOKEN", "ade_tokens"),
    ] {
        if items(&answer[key]).next().is_some() {
            output::line("");
            let columns = [
                (title, "/name"),
                ("EXPIRES", "/expires_at"),
                ("DAYS", "/days_left"),
            ];
            show(output, false, &columns, &answer[key], &Value::Null)?;
        }
    }
    output::line("");
    show(output, false, &columns, &answer["enrollments"], &Value::Null)
}

/// `russet device enrollment`
pub(super) async fn enrollment(client: &Client, output: Output, id: &str) -> Result<(), CliError> {
    let id = resolve(client, id).await?;
    let answer = get(client, &format!("/v1/enrollments/{}/enrollment", segment(&id))).await?;
    if output.json {
        output.say("", &answer);
        return Ok(());
    }
    for key in [
        "id",
        "serial",
        "device",
        "platform",
        "os_version",
        "method",
        "user",
        "enrolled_at",
        "bootstrap_token_escrowed",
        "user_approved",
    ] {
        output::line(format_args!("{key}: {}", text(&answer[key])));
    }
    let attempt = &answer["attempt"];
    if !attempt.is_null() {
        output::line(format_args!(
            "attempt: {} ({})",
            text(&attempt["result"]),
            text(&attempt["section"])
        ));
        if !attempt["code"].is_null() {
            output::line(format_args!(
                "  {}\n  next: {}",
                text(&attempt["cause"]),
                text(&attempt["step"])
            ));
        }
    }
    output::line("");
    let columns = [
        ("PRIORITY", "/priority"),
        ("TYPE", "/type"),
        ("NAME", "/name"),
        ("REVISION", "/revision"),
        ("TARGET", "/target"),
        ("VALUE", "/value"),
    ];
    show(output, false, &columns, &answer["policies"], &answer)
}

async fn get(client: &Client, path: &str) -> Result<Value, CliError> {
    Ok(client.request(Method::GET, path, Vec::new()).await?.body)
}

/// All pages of a list, as one answer.
async fn all(
    client: &Client,
    report: &str,
    rows: &str,
    list: &ListArgs,
    filter: &[(&str, String)],
) -> Result<Value, CliError> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let left = list.limit.map(|limit| limit.saturating_sub(found.len()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &left.unwrap_or(1000).clamp(1, 1000).to_string());
        query.extend_pairs(filter);
        query.extend_pairs(list.filters());
        query.extend_pairs(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let mut answer = get(client, &format!("/v1/reports/{report}?{}", query.finish())).await?;
        found.extend(items(&answer[rows]).cloned());
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        let enough = list.limit.is_some_and(|limit| found.len() >= limit);
        if cursor.is_none() || enough {
            answer[rows] = found.into();
            if let Some(answer) = answer.as_object_mut() {
                answer.remove("next_cursor");
            }
            return Ok(answer);
        }
    }
}

/// Rows with these columns (a heading, and where its cell is), as a table, as CSV, or the answer as JSON.
fn show(
    output: Output,
    csv: bool,
    columns: &[(&'static str, &str)],
    rows: &Value,
    answer: &Value,
) -> Result<(), CliError> {
    let cells = |row: &Value| {
        let cell = |(_, pointer): &(&str, &str)| row.pointer(pointer).map_or_else(|| "-".into(), text);
        columns.iter().map(cell).collect()
    };
    let table = Table {
        headings: columns.iter().map(|(heading, _)| *heading).collect(),
        rows: items(rows).map(cells).collect(),
    };
    if csv {
        return as_csv(&table);
    }
    output.table(&table.headings, &table.rows, answer);
    Ok(())
}

fn as_csv(table: &Table) -> Result<(), CliError> {
    let rows = table.rows.iter().map(|row| {
        let cell = |cell: &String| if cell == "-" { String::new() } else { cell.clone() };
        row.iter().map(cell).collect()
    });
    let failed = |error: String| CliError::new(EXIT_FAILED, "no_csv", error, "Give --json instead.");
    let text = csv_text(&table.headings, rows.collect()).map_err(failed)?;
    output::write(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tiles_are_in_the_order_of_an_enrollment() {
        let tiles = tiles(&json!({ "enrolled": 4, "in_progress": 3, "pending": 2, "failed": 1 }));
        let numbers: Vec<_> = tiles.rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(numbers, ["4", "3", "2", "1"]);
    }
}
