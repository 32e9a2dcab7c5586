//! Whose word is taken for a device: what the data directory and the configuration say.

use russet::app::{TrustError, add_trust, device_trust, fetch_trust};
use russet::service::ade::profiles::Doors as _;
use russet_sim::Kind;

use super::{Boxed, Estate, code, device_authority, post, trusted};
use crate::support::{TestServer, receiver::Receiver};

#[tokio::test]
async fn only_what_is_on_apples_list_gets_into_the_trust_folder() {
    let server = TestServer::start().await;
    let stranger = device_authority("Apple iPhone Device CA");
    for file in [
        stranger.certificate.to_pem().unwrap(),
        stranger.certificate.to_der().unwrap(),
    ] {
        let refused = add_trust(&server.data, &file);
        assert!(matches!(refused, Err(TrustError::Unknown(_))), "{refused:?}");
    }
    assert!(matches!(
        add_trust(&server.data, b"nothing"),
        Err(TrustError::Unreadable(_))
    ));
    assert!(server.data.trust_files().is_empty());

    // What somebody puts there by hand is not taken either.
    let folder = server.data.path("trust");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("x.pem"), stranger.certificate.to_pem().unwrap()).unwrap();
    let (trust, problems) = device_trust(&server.data, &russet::config::Config::default());
    assert!(trust.is_empty() && !trust.knows_apple());
    assert_eq!(problems.len(), 1);
}

#[tokio::test]
async fn a_fetch_stores_nothing_that_is_not_apples() {
    let server = TestServer::start().await;
    let receiver = Receiver::start().await;
    let base = receiver.url("");
    let report = fetch_trust(&server.data, Some(&base)).await.unwrap();
    assert!(report.added.is_empty());
    assert!(server.data.trust_files().is_empty());
    let asked: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.path.clone())
        .collect();
    assert!(
        asked.iter().any(|path| path == "/certificateauthority/"),
        "{asked:?}"
    );
    let nowhere = format!("http://{}", Receiver::nowhere().await);
    let report = fetch_trust(&server.data, Some(&nowhere)).await.unwrap();
    assert!(!report.problems.is_empty());
}

#[test]
#[cfg_attr(
    not(apple_roots),
    ignore = "no Apple certificates beside the project or in RUSSET_APPLE_ROOTS"
)]
fn apples_own_are_taken_once() {
    let folder = std::env::var_os("RUSSET_APPLE_ROOTS").unwrap_or_else(|| "../shared/apple-roots".into());
    let file = std::path::Path::new(&folder).join("apple-iphone-device-ca-fullchain.pem");
    let chain = std::fs::read(file).unwrap();
    let data = tempfile::tempdir().unwrap();
    let data = russet::data_dir::DataDir::new(data.path());
    let first = add_trust(&data, &chain).unwrap();
    assert_eq!((first.added.len(), first.known.len()), (3, 0));
    let second = add_trust(&data, &chain).unwrap();
    assert_eq!((second.added.len(), second.known.len()), (0, 3));
    let (trust, problems) = device_trust(&data, &russet::config::Config::default());
    assert_eq!((trust.missing().count(), problems), (0, Vec::new()));
}

/// K-A1: the simulator's CA counts only where the configuration says so, and in production by name.
#[tokio::test]
async fn k_a1_without_an_anchor_a_simulated_device_is_refused() {
    let estate = Estate::start().await;
    let boxed = estate.device(Kind::IPhone, None).await;
    let Estate { server, token } = estate;
    let server = server.restart(|_| {}).await;
    let url = server.door.addresses(&token).url;
    let refused = post(&server, &url, boxed.message()).await;
    assert_eq!(
        (refused.status, code(&refused).as_str()),
        (403, "machine_info_refused")
    );
    let server = server
        .restart(|config| config.ade.simulated_ca = Some(trusted().1.clone()))
        .await;
    let url = server.door.addresses(&token).url;
    assert_eq!(post(&server, &url, boxed.message()).await.status, 200);

    let mut config = russet::config::Config::default();
    config.ade.simulated_ca = Some("ca.pem".into());
    assert!(
        config
            .check()
            .unwrap_err()
            .to_string()
            .contains("ade.simulated_ca")
    );
    config.ade.simulated_ca = None;
    config.ade.trust_anchors = vec!["ca.pem".into()];
    config.check().unwrap();
    assert!(
        config
            .warnings()
            .iter()
            .any(|text| text.contains("ade.trust_anchors"))
    );
    let _ = Boxed::new;
}

/// The address stays what it is: profiles at Apple hold it.
#[tokio::test]
async fn a_tokens_address_survives_restarts_and_differs_between_tokens() {
    let estate = Estate::start().await;
    let before = estate.url();
    let other = super::token(&estate.server, "other").await;
    assert_ne!(estate.server.door.addresses(&other).url, before);
    let estate = estate
        .restart(|config| config.server.device_listen = ([127, 0, 0, 1], 0).into())
        .await;
    let path = |url: &str| url.rsplit_once("/ade/").unwrap().1.to_owned();
    assert_eq!(path(&estate.url()), path(&before));
    assert_eq!(
        estate.server.door.addresses(&estate.token).anchors.len(),
        1,
        "a development server's own CA is not publicly trusted"
    );
}
