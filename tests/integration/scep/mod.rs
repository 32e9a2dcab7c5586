//! SCEP over HTTP (RFC 8894 §4), as devices speak it and as attackers do.

mod certificates;
mod challenges;
mod interface;
mod malformed;
mod peers;
mod renewal;

use axum::http::Method;
use openssl::{
    pkey::{PKey, Private},
    x509::X509,
};
use russet_sim::{
    Client, Problem, Request, Response,
    encode::with_query,
    pki::{
        csr::Digest,
        identity::Identity,
        scep::{CaCertificates, Reply, Style, Transaction},
    },
    profile::{EnrollmentProfile, IdentityPayload, ScepPayload},
    scep::{certificate_request, get_ca_cert},
};

use crate::support::{TestServer, shared_key};

/// failInfo's values (RFC 8894 §3.2.1.4).
const BAD_ALG: &str = "0";
const BAD_MESSAGE_CHECK: &str = "1";
const BAD_REQUEST: &str = "2";
const BAD_CERT_ID: &str = "4";

/// Somebody with an enrollment profile, and so with a challenge, who speaks SCEP by hand.
struct Caller {
    client: Client,
    payload: ScepPayload,
    ca: CaCertificates,
}

impl Caller {
    /// With the profile that anyone gets.
    async fn new(server: &TestServer) -> Self {
        Self::at(server, &server.enroll_url()).await
    }

    /// With the profile at this address.
    async fn at(server: &TestServer, url: &str) -> Self {
        let mut client = server.client();
        let profile = client.send(Request::new(Method::GET, url), None).await.unwrap();
        let profile = EnrollmentProfile::parse(&profile.ok().unwrap().body).unwrap();
        let IdentityPayload::Scep(payload) = profile.identity else {
            panic!("the profile's identity does not come by SCEP");
        };
        let ca = get_ca_cert(&mut client, &payload).await.unwrap();
        Self { client, payload, ca }
    }

    /// A PKCSReq as a device makes it from the profile.
    fn request(&self, key: &PKey<Private>) -> Transaction {
        self.request_in(key, Style::default())
    }

    /// A PKCSReq in a chosen style.
    fn request_in(&self, key: &PKey<Private>, style: Style) -> Transaction {
        let request = certificate_request(&self.payload, style.digest);
        Transaction::enrol(key, &request, style).unwrap()
    }

    /// A PKCSReq for another payload than the profile's.
    fn request_for(&self, key: &PKey<Private>, payload: &ScepPayload) -> Transaction {
        let request = certificate_request(payload, Digest::Sha256);
        Transaction::enrol(key, &request, Style::default()).unwrap()
    }

    /// Posts the transaction's first message; the reply, checked as a strict client does.
    async fn send(&mut self, transaction: &Transaction) -> Result<Identity, Problem> {
        let message = transaction.first(&self.ca.encryption).unwrap();
        self.send_message(transaction, message).await
    }

    /// Posts any message as part of a transaction.
    async fn send_message(
        &mut self,
        transaction: &Transaction,
        message: Vec<u8>,
    ) -> Result<Identity, Problem> {
        let reply = self.post(message).await.ok()?;
        let reply = reply.expect_type(&["application/x-pki-message"])?;
        self.read(transaction, &reply.body)
    }

    /// Opens a CertRep.
    fn read(&self, transaction: &Transaction, reply: &[u8]) -> Result<Identity, Problem> {
        match transaction.open(reply, &self.ca.signing, &self.ca.ca)? {
            Reply::Issued(identity) => Ok(identity),
            Reply::Pending => Err(Problem::ScepPending),
        }
    }

    /// Posts anything to PKIOperation.
    async fn post(&mut self, body: Vec<u8>) -> Response {
        let url = with_query(&self.payload.url, "operation=PKIOperation");
        let request = Request::new(Method::POST, &url).body(body);
        let request = request
            .header("content-type", "application/x-pki-message")
            .unwrap();
        self.client.send(request, None).await.unwrap()
    }

    /// Gets the SCEP address with a query that is sent as it is.
    async fn get(&mut self, query: &str) -> Response {
        let url = with_query(&self.payload.url, query);
        self.client
            .send(Request::new(Method::GET, &url), None)
            .await
            .unwrap()
    }
}

/// The failInfo of a request that must have been refused.
#[track_caller]
fn fail_info(result: Result<Identity, Problem>) -> String {
    match result {
        Err(Problem::ScepFailure { fail_info, .. }) => fail_info,
        Err(other) => panic!("not a CertRep FAILURE: {other}"),
        Ok(identity) => panic!("a certificate was issued: {:?}", identity.certificate),
    }
}

/// The common name of a certificate's subject.
fn common_name(certificate: &X509) -> String {
    let mut names = certificate
        .subject_name()
        .entries_by_nid(openssl::nid::Nid::COMMONNAME);
    String::from_utf8(names.next().unwrap().data().as_slice().to_vec()).unwrap()
}

/// A fresh key of a size that is certified.
fn key() -> PKey<Private> {
    shared_key()
}
