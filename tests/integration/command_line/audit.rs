//! `russet audit`.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::{DONE, PROBLEM, Place, REFUSED};

#[tokio::test]
async fn k_w8_the_log_is_shown_exported_and_checked() {
    let place = Place::development().await;
    for name in ["one", "two", "three"] {
        let create = ["apikey", "create", "--name", name, "--scope", "read"];
        place.run(&create).await.ended(DONE);
    }
    place.run(&["apikey", "remove", "nobody"]).await.ended(REFUSED);
    let tail = place.run(&["audit", "tail", "-n", "2"]).await.ended(DONE);
    let lines: Vec<&str> = tail.out.lines().collect();
    assert_eq!(lines.len(), 2, "{tail:?}");
    assert!(
        lines[0].contains("remove_api_key  begun  apikey:nobody"),
        "{tail:?}"
    );
    assert!(
        lines[1].contains("refused (of ") && lines[1].contains("code=api_key_unknown"),
        "{tail:?}"
    );
    let one = place
        .run(&["audit", "tail", "--target", "apikey:one"])
        .await
        .ended(DONE);
    assert_eq!(one.out.lines().count(), 1, "{one:?}");

    // What is exported can be checked with nothing but SHA-256 and a JSON library.
    let exported = place.run(&["audit", "export"]).await.ended(DONE);
    let mut before = "0".repeat(64);
    for line in exported.out.lines() {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        let hash = entry.as_object_mut().unwrap().remove("hash").unwrap();
        assert_eq!(entry["previous"], before.as_str());
        let canonical = entry.to_string();
        let digest: String = digest(&SHA256, canonical.as_bytes())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hash, digest.as_str(), "{line}");
        before = digest;
    }
    let csv = place
        .run(&["audit", "export", "--format", "csv"])
        .await
        .ended(DONE);
    assert_eq!(csv.out.lines().count(), exported.out.lines().count() + 1);
    assert!(csv.out.starts_with("number,at,operator,"));
    let later = place
        .run(&["audit", "export", "--since", "2999-01-01T00:00:00Z"])
        .await
        .ended(DONE);
    assert_eq!(later.out, "");

    let verified = place.run(&["audit", "verify"]).await.ended(DONE);
    assert!(verified.out.contains("as they were written"), "{verified:?}");
    let head = place.run(&["audit", "head"]).await.ended(DONE).out;
    place
        .run(&["audit", "verify", "--head", head.trim()])
        .await
        .ended(DONE);
    let (number, _) = head.split_once(':').unwrap();
    let other = format!("{number}:{}", "0".repeat(64));
    let broken = place
        .run(&["audit", "verify", "--head", &other])
        .await
        .ended(PROBLEM);
    assert!(
        broken
            .err
            .contains(&format!("audit entry {number} has another hash")),
        "{broken:?}"
    );
}
