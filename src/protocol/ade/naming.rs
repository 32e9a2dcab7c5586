//! Device names from a template.

/// What a template's variables stand for.
#[derive(Clone, Copy, Debug)]
pub struct DeviceName<'a> {
    /// `{{SERIAL}}`
    pub serial: &'a str,
    /// `{{DEVICETYPE}}`: iPhone, iPad, Apple TV, …
    pub device_type: &'a str,
}

/// Longest template, in characters, variables included.
pub(super) const MAX_TEMPLATE: usize = 63;

/// The name of a device.
pub fn rendered_name(template: &str, device: DeviceName<'_>) -> String {
    template
        .replace("{{SERIAL}}", device.serial)
        .replace("{{DEVICETYPE}}", device.device_type)
}

/// What is wrong with a template.
pub(super) fn problem(template: &str) -> Option<String> {
    let length = template.chars().count();
    if template.trim().is_empty() {
        return Some("is empty; leave it out for no name".into());
    }
    if length > MAX_TEMPLATE {
        return Some(format!(
            "has {length} characters; {MAX_TEMPLATE} are allowed, variables included"
        ));
    }
    if template.chars().any(char::is_control) {
        return Some("holds a control character".into());
    }
    let mut rest = template;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((variable, behind)) = after.split_once("}}") else {
            return Some("opens a variable with {{ and does not close it".into());
        };
        if !matches!(variable, "SERIAL" | "DEVICETYPE") {
            return Some(format!(
                "has the unknown variable {{{{{variable}}}}}; {{{{SERIAL}}}} and {{{{DEVICETYPE}}}} are known"
            ));
        }
        rest = behind;
    }
    rest.contains("}}")
        .then(|| "has a }} without a variable before it".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e13_a_template_has_63_characters_at_most_and_known_variables_only() {
        let of = |length: usize| format!("{{{{SERIAL}}}}{}", "x".repeat(length - 10));
        assert_eq!(problem(&of(63)), None);
        assert!(problem(&of(64)).is_some_and(|text| text.contains("63")));
        assert_eq!(problem("{{DEVICETYPE}}-{{SERIAL}}"), None);
        assert!(problem("{{X}}").is_some_and(|text| text.contains("{{X}}")));
        for bad in ["", "  ", "{{SERIAL", "SERIAL}}", "{{serial}}", "a\nb", "{{}}"] {
            assert!(problem(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn e13_variables_stand_for_the_devices_serial_number_and_type() {
        let device = DeviceName {
            serial: "C02X",
            device_type: "iPad",
        };
        assert_eq!(rendered_name("{{DEVICETYPE}}-{{SERIAL}}", device), "iPad-C02X");
        assert_eq!(rendered_name("Kiosk", device), "Kiosk");
    }
}
