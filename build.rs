//! Tells the tests what outside material is at hand, so that those which need it show as ignored where it is not.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PATH");
    for (name, variable, beside) in [
        ("apple_schema", "RUSSET_APPLE_SCHEMA", "../shared/apple-schema"),
        ("apple_roots", "RUSSET_APPLE_ROOTS", "../shared/apple-roots"),
        ("captures", "RUSSET_CAPTURES", "../shared/captures"),
    ] {
        println!("cargo:rerun-if-env-changed={variable}");
        let place = env::var_os(variable).unwrap_or_else(|| beside.into());
        tell(name, Path::new(&place).exists());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let at_hand = |program: &str| env::split_paths(&path).any(|folder| folder.join(program).exists());
    for (name, program) in [("promtool", "promtool"), ("strongswan_pki", "pki")] {
        tell(name, at_hand(program));
    }
    tell("browser", at_hand("chromium") && at_hand("chromedriver"));
}

fn tell(name: &str, present: bool) {
    println!("cargo:rustc-check-cfg=cfg({name})");
    if present {
        println!("cargo:rustc-cfg={name}");
    }
}
