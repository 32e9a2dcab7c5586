//! Every form of the console, with every field wrong: refused with a page that says so, and never the server's fault.

use std::collections::{BTreeSet, VecDeque};

use super::*;

/// A form as a browser would send it.
#[derive(Clone, Debug)]
struct Filled {
    action: String,
    /// Name, kind of its control, value.
    fields: Vec<(String, String, String)>,
}

impl Filled {
    fn of(form: ElementRef<'_>) -> Self {
        let mut fields = Vec::new();
        for field in form.select(&select("input, select, textarea")) {
            let attribute = |name| field.value().attr(name).unwrap_or_default().to_owned();
            let (name, kind) = (attribute("name"), field.value().name());
            let kind = if kind == "input" {
                attribute("type")
            } else {
                kind.to_owned()
            };
            let value = match kind.as_str() {
                "checkbox" | "radio" if field.value().attr("checked").is_none() => continue,
                "select" => {
                    let chosen = field.select(&select("option[selected]")).next();
                    let chosen = chosen.or_else(|| field.select(&select("option")).next());
                    let value = chosen.and_then(|option| option.value().attr("value"));
                    value.unwrap_or_default().to_owned()
                }
                "textarea" => field.text().collect(),
                _ => attribute("value"),
            };
            if !name.is_empty() {
                fields.push((name, kind, value));
            }
        }
        Self {
            action: form.value().attr("action").unwrap_or_default().to_owned(),
            fields,
        }
    }

    /// With this field so, and the others as they are to be.
    fn encoded(&self, wrong: &str, value: &str) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, _, right) in &self.fields {
            let right = match (right.as_str(), name.as_str()) {
                ("", "name") => "new",
                ("", "url") => "https://hooks.example.com/",
                (right, _) => right,
            };
            form.append_pair(name, if name == wrong { value } else { right });
        }
        form.finish()
    }
}

/// All forms that can be reached from the first page, each action once, and the pages on the way.
async fn forms(server: &TestServer) -> Vec<Filled> {
    let mut seen: BTreeSet<String> = BTreeSet::from(["/".to_owned()]);
    let mut waiting = VecDeque::from(["/".to_owned()]);
    let mut found: BTreeMap<String, Filled> = BTreeMap::new();
    while let Some(path) = waiting.pop_front() {
        let page = visit(server, &path).await;
        assert!(page.status < 500, "{path}: {}", page.status);
        if !page.header("content-type").starts_with("text/html") {
            continue;
        }
        let html = page.html();
        for form in all(&html, "form[method=post]") {
            let form = Filled::of(form);
            found.entry(form.action.clone()).or_insert(form);
        }
        for link in all(&html, "a[href^='/']") {
            let target = link.value().attr("href").unwrap_or_default();
            let target = target.split(['#', '?']).next().unwrap_or_default().to_owned();
            let is_page = !target.starts_with("/assets/") && !target.starts_with("/v1/");
            if is_page && seen.len() < 150 && seen.insert(target.clone()) {
                waiting.push_back(target);
            }
        }
    }
    found.into_values().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_with_a_wrong_field_is_refused_and_says_so() {
    let server = furnished().await;
    let long = "a".repeat(70_000);
    let mut found = Vec::new();
    let mut count = 0;
    let forms = forms(&server).await;
    for form in &forms {
        // It would end what the others need.
        if form.action == "/logout" {
            continue;
        }
        // It is refused without its file, whatever else it has.
        if form.fields.iter().any(|(_, kind, _)| kind == "file") {
            continue;
        }
        for (field, kind, _) in &form.fields {
            let wrong: &[&str] = match (field.as_str(), kind.as_str()) {
                // What no box is ticked for is not looked at.
                (field, _) if field.starts_with("shared_ipad.") => continue,
                // Whatever is sent with a box, it is ticked; where one goes back to leads nowhere else.
                (_, "checkbox" | "file" | "hidden") => continue,
                (_, "radio" | "select") => &["none of these", "\0", &long],
                (_, "number") => &["x", "-1", "1e9", "\0"],
                _ => &["\0", "a\0b", &long],
            };
            for value in wrong {
                count += 1;
                let answer = send(&server, &form.action, &form.encoded(field, value)).await;
                let shown: String = value.chars().take(20).collect();
                let what = format!("{} {field} ({kind}) {shown:?}: {}", form.action, answer.status);
                if answer.status >= 500 {
                    found.push(what);
                } else if answer.status == 303 || answer.status < 300 {
                    found.push(format!("{what} accepted: {}", answer.header("location")));
                } else if [400, 422].contains(&answer.status) && !says(&answer, field) {
                    found.push(format!("{what} without its name"));
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "{} of {count} in {} forms:\n{}",
        found.len(),
        forms.len(),
        found.join("\n")
    );
    assert!(forms.len() > 20, "{}", forms.len());
}

/// Whether a page names a field: beside it, or in its text.
fn says(visit: &Visit, field: &str) -> bool {
    let html = visit.html();
    let beside = format!("#f-{}-problem", field.replace('.', "-"));
    let last = field.rsplit('.').next().unwrap_or(field);
    !text_of(&html, &beside).is_empty() || text_of(&html, "main").contains(last)
}
