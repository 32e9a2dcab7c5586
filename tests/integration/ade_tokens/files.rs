//! The files that the fake Apple Business Manager writes, which shares no code with the server.

use axum::http::Method;
use russet::clock::Clock;
use russet_sim::abm::{FakeAbm, Settings, TokenFile};
use serde_json::{Value, json};

use crate::support::TestServer;

#[tokio::test]
async fn t2_every_form_that_the_portal_writes_is_taken() {
    let abm = FakeAbm::start(Settings::default()).await.unwrap();
    let server = TestServer::at(Clock::system(), |_| {}).await;
    let body = json!({ "name": "hq" }).to_string();
    let made = server.ask(Method::POST, "/v1/ade/tokens", body).await;
    let certificate = made["certificate"].as_str().unwrap();
    abm.portal().add_server("hq", certificate.as_bytes()).unwrap();
    for number in 0..64 {
        let bit = |at: u32| number >> at & 1 == 1;
        let file = TokenFile {
            der: bit(0),
            crlf: bit(1),
            folded: bit(2),
            des3: bit(3),
            bare: bit(4),
            raw: bit(5),
            wrapped: (number % 3 == 1).then_some(40),
        };
        let p7m = abm.portal().download_token("hq", file).unwrap();
        // Each of its tokens has a consumer key of its own.
        let path = "/v1/ade/tokens/hq/token?force=true";
        let imported: Value = server.ask(Method::PUT, path, p7m).await;
        assert_eq!(imported["status"], "active", "{file:?}");
        assert_eq!(imported["renewed"], number > 0, "{file:?}");
    }
}
