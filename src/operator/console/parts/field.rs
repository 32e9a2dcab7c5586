//! Fields of forms: a label, a hint, and what is wrong beside it.

use maud::{Markup, html};

use crate::operator::console::form::Problems;

/// A field.
#[derive(Clone, Debug)]
pub(in super::super) struct Field<'a> {
    name: &'a str,
    label: &'a str,
    value: String,
    hint: Option<String>,
    problem: Option<String>,
    required: bool,
    kind: &'a str,
    placeholder: Option<&'a str>,
    class: Option<&'a str>,
    form: &'a str,
    autocomplete: &'a str,
    focused: bool,
}

impl<'a> Field<'a> {
    /// A line of text.
    pub(in super::super) fn new(name: &'a str, label: &'a str) -> Self {
        Self {
            name,
            label,
            value: String::new(),
            hint: None,
            problem: None,
            required: false,
            kind: "text",
            placeholder: None,
            class: None,
            form: "f",
            autocomplete: "off",
            focused: false,
        }
    }

    /// What a browser may fill in.
    pub(in super::super) fn fill(mut self, autocomplete: &'a str) -> Self {
        self.autocomplete = autocomplete;
        self
    }

    /// It has the focus when the page comes.
    pub(in super::super) fn focused(mut self) -> Self {
        self.focused = true;
        self
    }

    /// The form it is in, where a page has several with such a field.
    pub(in super::super) fn of(mut self, form: &'a str) -> Self {
        self.form = form;
        self
    }

    /// What stands in it.
    pub(in super::super) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// What it is for.
    pub(in super::super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What is wrong with it, if anything is.
    pub(in super::super) fn checked(mut self, problems: &Problems) -> Self {
        self.problem = problems.with(self.name).map(str::to_owned);
        self
    }

    /// It can't be left empty.
    pub(in super::super) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The type of its `input`.
    pub(in super::super) fn kind(mut self, kind: &'a str) -> Self {
        self.kind = kind;
        self
    }

    /// An example.
    pub(in super::super) fn placeholder(mut self, placeholder: &'a str) -> Self {
        self.placeholder = Some(placeholder);
        self
    }

    /// A class of the style sheet, for its size.
    pub(in super::super) fn class(mut self, class: &'a str) -> Self {
        self.class = Some(class);
        self
    }

    /// One line.
    pub(in super::super) fn line(&self) -> Markup {
        let value = (!matches!(self.kind, "file" | "password")).then_some(&self.value);
        self.around(html! {
            input id=(self.id()) name=(self.name) type=(self.kind) value=[value] required[self.required]
                placeholder=[self.placeholder] aria-describedby=[self.described()] aria-invalid=[self.invalid()]
                autocomplete=(self.autocomplete) autofocus[self.focused];
        })
    }

    /// Many lines.
    pub(in super::super) fn lines(&self, rows: u8) -> Markup {
        self.around(html! {
            textarea id=(self.id()) name=(self.name) rows=(rows) required[self.required] placeholder=[self.placeholder]
                aria-describedby=[self.described()] aria-invalid=[self.invalid()] spellcheck="false" {
                // The parser drops a first line break.
                "\n" (self.value)
            }
        })
    }

    /// One of several: what is sent, and what is shown.
    pub(in super::super) fn choice<'c>(
        &self,
        choices: impl IntoIterator<Item = (&'c str, &'c str)>,
    ) -> Markup {
        self.around(html! {
            select id=(self.id()) name=(self.name) aria-describedby=[self.described()] aria-invalid=[self.invalid()] {
                @for (value, text) in choices { option value=(value) selected[value == self.value] { (text) } }
            }
        })
    }

    fn around(&self, input: Markup) -> Markup {
        html! {
            div class={ "field" @if let Some(class) = self.class { " " (class) } } data-problem[self.problem.is_some()] {
                label for=(self.id()) { (self.label) }
                (input)
                @if let Some(hint) = &self.hint { span.hint id={ (self.id()) "-hint" } { (hint) } }
                @if let Some(problem) = &self.problem { span.problem id={ (self.id()) "-problem" } { (problem) } }
            }
        }
    }

    fn id(&self) -> String {
        format!("{}-{}", self.form, self.name.replace('.', "-"))
    }

    fn described(&self) -> Option<String> {
        let id = self.id();
        let hint = self.hint.as_ref().map(|_| format!("{id}-hint"));
        let problem = self.problem.as_ref().map(|_| format!("{id}-problem"));
        let both: Vec<String> = hint.into_iter().chain(problem).collect();
        (!both.is_empty()).then(|| both.join(" "))
    }

    fn invalid(&self) -> Option<&'static str> {
        self.problem.as_ref().map(|_| "true")
    }
}

/// A box to check, with what it means.
pub(in super::super) fn check(
    name: &str,
    value: &str,
    label: &str,
    hint: Option<&str>,
    checked: bool,
) -> Markup {
    check_of("c", name, value, label, hint, checked)
}

/// The same in one of several forms with such a box.
pub(in super::super) fn check_of(
    form: &str,
    name: &str,
    value: &str,
    label: &str,
    hint: Option<&str>,
    checked: bool,
) -> Markup {
    let id = format!("{form}-{}-{value}", name.replace('.', "-"));
    html! {
        div.check {
            input id=(id) type="checkbox" name=(name) value=(value) checked[checked]
                aria-describedby=[hint.map(|_| format!("{id}-hint"))];
            div {
                label for=(id) { (label) }
                @if let Some(hint) = hint { span.hint id={ (id) "-hint" } { (hint) } }
            }
        }
    }
}
