//! The console in headless Chromium: by keyboard alone, on a desk and on a phone, in light and in dark. Ignored where the
//! browser is missing (`make deps` installs it). Screenshots lie in `target/screenshots`.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use super::*;
use crate::support::{eventually, promptly};

const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

/// Every page that the navigation has, and some below.
const PAGES: [&str; 39] = [
    "/",
    "/enrolling",
    "/failures",
    "/incomplete",
    "/identities",
    "/audit",
    "/devices/00008120-000A/audit",
    "/devices",
    "/devices/00008120-000A",
    "/devices/00008120-000A/actions",
    "/devices/00008120-000A/hold",
    "/devices/00008120-000A/hardware",
    "/devices/00008120-000A/commands",
    "/devices/00008120-000A/enrollment",
    "/devices/00008120-000A/certificates",
    "/commands",
    "/commands/failed",
    "/jobs",
    "/jobs/new?action=wipe&of=found",
    "/holds",
    "/hold-profiles",
    "/hold-profiles?new=yes",
    "/hold-profiles/floor",
    "/users",
    "/users/grace",
    "/ade/devices",
    "/ade/profiles",
    "/ade/profiles/hq",
    "/ade/profiles/hq/kiosks",
    "/ade/tokens",
    "/ade/tokens/hq",
    "/ade/why",
    "/enroll-links",
    "/push-certificates",
    "/hooks/events",
    "/health",
    "/account",
    "/apikeys",
    "/explorer/create_api_key",
];

/// The program that drives the browser; both end with it.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Who signs in.
const USER: &str = "ada";
const PASSWORD: &str = "a long walk by the sea";

/// A browser with its driver.
struct Browser {
    client: Client,
    _driver: Driver,
    base: String,
}

impl Browser {
    /// A window of this size, signed in to a server.
    async fn open(server: &TestServer, width: u32, height: u32) -> Self {
        let mut driver = Driver(
            Command::new("chromedriver")
                .arg("--port=0")
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("chromedriver starts"),
        );
        let said = BufReader::new(driver.0.stdout.take().unwrap());
        let port = tokio::task::spawn_blocking(move || {
            let port = |line: String| {
                let (_, port) = line.split_once("started successfully on port ")?;
                Some(port.trim_end_matches('.').to_owned())
            };
            said.lines().map_while(Result::ok).find_map(port)
        });
        let port = promptly("the driver's port", port)
            .await
            .unwrap()
            .expect("the driver says its port");
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("russet-browser-{}-{number}", std::process::id()));
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     format!("--user-data-dir={}", profile.display())],
            "mobileEmulation": { "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0, "touch": false } },
        });
        let capabilities = json!({ "goog:chromeOptions": options });
        let client = ClientBuilder::rustls()
            .expect("a client")
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a session");
        let user = json!({ "name": USER, "role": "admin", "password": PASSWORD });
        // There is one already if the server has had a browser before.
        let _ = server.try_ask(Method::POST, "/v1/users", user.to_string()).await;
        let browser = Self {
            client,
            _driver: driver,
            base: format!("http://{}", server.operator_authority),
        };
        browser.sign_in().await;
        browser
    }

    /// Signs in as people do.
    async fn sign_in(&self) {
        self.go("/login").await;
        for (id, text) in [("#f-name", USER), ("#f-password", PASSWORD)] {
            let field = self.client.find(Locator::Css(id)).await.unwrap();
            field.send_keys(text).await.unwrap();
        }
        let button = self.client.find(Locator::Css("button")).await.unwrap();
        button.click().await.unwrap();
        let signed_in = async {
            while self.client.current_url().await.unwrap().path() == "/login" {
                tokio::task::yield_now().await;
            }
        };
        promptly("the sign-in", signed_in).await;
        self.go("/health").await;
    }

    async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.unwrap();
    }

    async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Presses keys, wherever the focus is.
    async fn press(&self, keys: &str) {
        let element = self.client.active_element().await.unwrap();
        element.send_keys(keys).await.unwrap();
    }

    async fn focused(&self) -> String {
        let value = self
            .run("const e = document.activeElement; return e.id || e.textContent.trim();")
            .await;
        value.as_str().unwrap_or_default().to_owned()
    }

    async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    async fn screenshot(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join(format!("{name}.png")),
            self.client.screenshot().await.unwrap(),
        )
        .unwrap();
    }

    async fn choose(&self, theme: &str) {
        let script = format!("document.cookie = 'russet-theme={theme}; path=/';");
        self.run(&script).await;
    }
}

/// Whether the page holds to its content security policy; what it broke is told by the browser.
const BROKEN: &str = "const broken = []; const seen = new ReportingObserver((reports) => reports.forEach((report) => \
                      broken.push(JSON.stringify(report.body))), { buffered: true, types: ['csp-violation'] }); \
                      seen.observe(); seen.takeRecords().forEach((report) => broken.push(JSON.stringify(report.body))); \
                      return broken;";

async fn look_at_every_page(width: u32, height: u32) {
    let server = furnished().await;
    let browser = Browser::open(&server, width, height).await;
    for theme in ["light", "dark"] {
        browser.choose(theme).await;
        for path in PAGES {
            browser.go(path).await;
            let name = path.trim_matches('/').replace(['/', '?', '&', '='], "-");
            let name = if name.is_empty() { "overview".into() } else { name };
            browser.screenshot(&format!("{name}-{width}-{theme}")).await;
            let wide = browser.run("return document.scrollingElement.scrollWidth").await;
            assert!(
                wide.as_u64().unwrap() <= u64::from(width),
                "{path} is {wide} wide on {width}"
            );
            assert_eq!(browser.run(BROKEN).await, json!([]), "{path}");
            let loaded = browser
                .run("return typeof htmx === 'object' && getComputedStyle(document.querySelector('.top')).display === 'flex'")
                .await;
            assert_eq!(loaded, true, "{path} lacks its script or its style");
        }
    }
    browser.client.close().await.unwrap();
}

/// The pages that come before the sign-in, at this width.
async fn look_before_the_sign_in(width: u32, height: u32) {
    let server = furnished().await;
    let link = server.ask(Method::POST, "/v1/setup-links", "{}").await;
    let url = link["url"].as_str().unwrap();
    let setup = url[url.find("/setup/").unwrap()..].to_owned();
    let browser = Browser::open(&server, width, height).await;
    browser.client.delete_all_cookies().await.unwrap();
    for theme in ["light", "dark"] {
        browser.choose(theme).await;
        for (path, name) in [
            ("/login", "login"),
            (&setup as &str, "setup"),
            ("/setup/spent", "setup-spent"),
        ] {
            browser.go(path).await;
            browser.screenshot(&format!("{name}-{width}-{theme}")).await;
            let wide = browser.run("return document.scrollingElement.scrollWidth").await;
            assert!(
                wide.as_u64().unwrap() <= u64::from(width),
                "{path} is {wide} wide on {width}"
            );
            let styled = "return getComputedStyle(document.querySelector('main')).display === 'grid'";
            assert_eq!(browser.run(styled).await, true, "{path} lacks its style");
            assert_eq!(browser.run(BROKEN).await, json!([]), "{path}");
        }
    }
    browser.client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(browser), ignore = "chromium and chromedriver are missing: make deps")]
async fn the_sign_in_fits_a_phone_and_a_desk() {
    look_before_the_sign_in(390, 844).await;
    look_before_the_sign_in(1280, 900).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(browser), ignore = "chromium and chromedriver are missing: make deps")]
async fn no_page_is_wider_than_a_phone() {
    look_at_every_page(390, 844).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(browser), ignore = "chromium and chromedriver are missing: make deps")]
async fn every_page_fits_a_desk() {
    look_at_every_page(1280, 900).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(browser), ignore = "chromium and chromedriver are missing: make deps")]
async fn a_device_is_found_by_keyboard_alone() {
    let server = furnished().await;
    let browser = Browser::open(&server, 1280, 900).await;
    browser.go("/").await;
    browser.press(TAB).await;
    assert_eq!(browser.focused().await, "Skip to the content");
    let outline = browser
        .run("return getComputedStyle(document.activeElement).outlineStyle")
        .await;
    assert_eq!(outline, "solid", "the focus can be seen");
    browser.press(ENTER).await;
    assert_eq!(browser.focused().await, "main");
    browser.press("/").await;
    assert_eq!(browser.focused().await, "find");
    browser.press(&format!("c02{ENTER}")).await;
    eventually("the list", async || browser.path().await == "/devices").await;
    for _ in 0..60 {
        browser.press(TAB).await;
        if browser.focused().await == HOSTILE {
            break;
        }
    }
    browser.press(ENTER).await;
    eventually("the device", async || {
        browser.path().await == "/devices/00008120-000A"
    })
    .await;
    browser.client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(browser), ignore = "chromium and chromedriver are missing: make deps")]
async fn a_job_is_begun_by_keyboard_alone_and_shows_how_far_it_is() {
    let server = furnished().await;
    let browser = Browser::open(&server, 1280, 900).await;
    let tab_to = async |name: &str| {
        for _ in 0..80 {
            browser.press(TAB).await;
            if browser.focused().await == name {
                return;
            }
        }
        panic!("{name} can't be reached by keyboard");
    };
    browser.go("/devices").await;
    let mark =
        "document.querySelector('[data-mark]').click(); return document.querySelector('#mark-0').checked;";
    assert_eq!(browser.run(mark).await, true, "all are marked");
    assert_eq!(browser.run(mark).await, false, "and none");
    tab_to("mark-0").await;
    browser.press(" ").await;
    browser.press(ENTER).await;
    eventually("the form of the job", async || {
        browser.path().await == "/jobs/new"
    })
    .await;
    tab_to("Refresh").await;
    browser.press(ENTER).await;
    eventually("the job", async || {
        browser.path().await.starts_with("/jobs/") && browser.path().await != "/jobs/new"
    })
    .await;
    eventually("its end", async || {
        let facts = browser.client.find(Locator::Css(".facts")).await.unwrap();
        facts.text().await.unwrap().contains("Finished")
    })
    .await;
    browser.client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(browser), ignore = "chromium and chromedriver are missing: make deps")]
async fn what_changes_shows_without_loading_the_page_again() {
    let server = furnished().await;
    let browser = Browser::open(&server, 1280, 900).await;
    browser.go("/").await;
    let figure = async || {
        let tile = browser
            .client
            .find(Locator::Css("[sse-swap=queued]"))
            .await
            .unwrap();
        tile.text().await.unwrap()
    };
    assert_eq!(figure().await, "1");
    eventually("the live line", async || {
        let badge = browser.client.find(Locator::Css("[data-line]")).await.unwrap();
        badge.text().await.unwrap() == "Live"
    })
    .await;
    let id = EnrollmentId::new("00008120-000A");
    let another = command("another", &id, server.clock.now());
    server.store.enqueue(another).await.unwrap();
    eventually("the new figure", async || figure().await == "2").await;
    // The list of devices follows what is typed.
    browser.go("/devices").await;
    let field = browser.client.find(Locator::Css("#f-q")).await.unwrap();
    field.send_keys("c02").await.unwrap();
    eventually("the one device", async || {
        let rows = browser.client.find_all(Locator::Css("tbody tr")).await.unwrap();
        rows.len() == 1
    })
    .await;
    // A profile's settings are judged as they change.
    browser.go("/ade/profiles/hq").await;
    let verdict = async || {
        browser
            .client
            .find(Locator::Css("#verdict"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    eventually("the first verdict", async || {
        verdict().await.contains("can be used")
    })
    .await;
    let template = browser
        .client
        .find(Locator::Css("#f-naming-template"))
        .await
        .unwrap();
    template.send_keys(&format!("{{{{NOPE}}}}{TAB}")).await.unwrap();
    eventually("the objection", async || {
        verdict().await.contains("naming.template")
    })
    .await;
    browser.client.close().await.unwrap();
}
