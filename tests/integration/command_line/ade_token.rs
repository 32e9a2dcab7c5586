//! `russet ade token`: from the key to the token in service, with the server running and without.

use std::fs;

use super::{DONE, FAILED, Place, REFUSED, USAGE};
use crate::support::abm_portal::p7m;

const NEXT_YEAR: &str = "2099-12-01T00:00:00Z";

#[tokio::test]
async fn t1_t9_a_token_is_made_imported_renewed_and_deleted() {
    let place = Place::development().await;
    let file = |name: &str| place.folder.path().join(name).to_str().unwrap().to_owned();
    for running in [false, true] {
        let _server = if running { Some(place.serve().await) } else { None };
        let pem = file("hq.pem");
        let said = place
            .run(&["ade", "token", "pubkey", "hq", "--out", &pem])
            .await
            .ended(DONE);
        for part in ["1. ", "3. ", &pem, "russet ade token import hq"] {
            assert!(said.out.contains(part), "{part}: {said:?}");
        }
        let certificate = fs::read_to_string(&pem).unwrap();
        let again = place.run(&["ade", "token", "pubkey", "hq"]).await.ended(DONE);
        assert_eq!(again.out, certificate);
        assert!(again.err.contains("1. "));
        let listed = place.run(&["ade", "token", "list"]).await.ended(DONE);
        assert!(listed.out.contains("pending-key"), "{listed:?}");

        let token = file("hq.p7m");
        fs::write(&token, p7m(&certificate, "CK_1", NEXT_YEAR)).unwrap();
        let import = [
            "ade",
            "token",
            "import",
            "hq",
            &token,
            "--apple-id",
            "ada@example.org",
        ];
        let said = place.run(&import).await.ended(DONE);
        assert!(
            said.err.contains("warning: the token is not verified"),
            "{said:?}"
        );
        let shown = place.run(&["ade", "token", "show", "hq"]).await.ended(DONE).out;
        for line in [
            "Status                 active",
            "Expiration             2099-12-01T00:00:00Z",
            "Apple ID               ada@example.org",
            "Missing profile        0",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }

        let renewed = place.run(&["ade", "token", "renew", "hq"]).await.ended(DONE);
        assert!(renewed.err.contains("never a new one") && renewed.err.contains("ada@example.org"));
        fs::write(&token, p7m(&renewed.out, "CK_2", NEXT_YEAR)).unwrap();
        let refused = place.run(&import).await.ended(REFUSED);
        assert!(refused.err.contains("ade_token_other_server"), "{refused:?}");
        let forced = [&import[..], &["--force"]].concat();
        place.run(&forced).await.ended(DONE);

        let default = place
            .run(&["--json", "ade", "token", "set-default", "hq"])
            .await
            .ended(DONE);
        assert_eq!(default.json()["is_default"], true);
        place.run(&["ade", "token", "change", "hq"]).await.ended(USAGE);
        let change = ["ade", "token", "change", "hq", "--scope-tag", "north,south"];
        let said = place.run(&change).await.ended(DONE);
        assert!(
            said.out.contains("Scope tags             north, south"),
            "{said:?}"
        );
        let change = ["--json", "ade", "token", "change", "hq", "--no-scope-tags"];
        let rest = [
            "--apple-id",
            "bob@example.org",
            "--default=false",
            "--base-url",
            "",
        ];
        let changed = place.run(&[&change[..], &rest].concat()).await.ended(DONE).json();
        assert_eq!(changed["scope_tags"], serde_json::json!([]));
        assert_eq!(
            (&changed["apple_id"], &changed["is_default"]),
            (&"bob@example.org".into(), &false.into())
        );
        let unknown = ["ade", "token", "set-default", "hq", "--ios", "corp-iphones"];
        let refused = place.run(&unknown).await.ended(REFUSED);
        assert!(refused.err.contains("ade_profile_unknown"), "{refused:?}");
        place
            .run(&["ade", "token", "set-default", "hq", "--ios", ""])
            .await
            .ended(DONE);

        place.run(&["ade", "token", "delete", "hq"]).await.ended(DONE);
        place.run(&["ade", "token", "show", "hq"]).await.ended(REFUSED);
        place
            .run(&["ade", "token", "import", "hq", "/nowhere"])
            .await
            .ended(USAGE);
    }
    let out = ["ade", "token", "pubkey", "hq", "--out", "/nowhere/at/all"];
    place.run(&out).await.ended(FAILED);
}
