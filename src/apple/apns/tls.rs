//! TLS towards APNs: whom we trust, what we present, and what went wrong when it fails.
//!
//! With TLS 1.3 a client's certificate is judged after the client has finished its handshake: the verdict is an alert
//! that the first read brings. [`Watched`] keeps it, since HTTP/2 passes on no more than its text.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use rustls::{
    AlertDescription, ClientConfig, RootCertStore,
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::apple::{PushFailure, PushIdentity};

/// HTTP/2's name in ALPN (RFC 9113 §3.1).
pub(super) const H2: &[u8] = b"h2";

/// The configuration for connections under one push certificate.
pub(super) fn client_config(
    roots: &Arc<RootCertStore>,
    identity: &PushIdentity,
) -> Result<ClientConfig, PushFailure> {
    let rejected = |error: rustls::Error| PushFailure::IdentityRejected(error.to_string());
    let chain = identity.chain.iter().cloned().map(CertificateDer::from).collect();
    // Borrowed: no copy of the key is left behind.
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key_pkcs8.as_slice()));
    let certified = CertifiedKey::new(
        chain,
        aws_lc_rs::sign::any_supported_type(&key).map_err(rejected)?,
    );
    certified.keys_match().map_err(rejected)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(rejected)?
        .with_root_certificates(Arc::clone(roots))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![H2.to_vec()];
    // A resumed session would leave the certificate out, and with it the verdict on it.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// What a failed read, write or handshake says about a certificate, ours or theirs; `None` if nothing.
pub(super) fn verdict(error: &io::Error) -> Option<PushFailure> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) if is_about_our_certificate(*alert) => {
            Some(PushFailure::IdentityRejected(format!("alert {alert:?}")))
        }
        error @ rustls::Error::InvalidCertificate(_) => Some(PushFailure::ServerUntrusted(error.to_string())),
        _ => None,
    }
}

/// RFC 8446 §6.2.
fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            // A signature of ours, or on our certificate, that is wrong.
            | AlertDescription::DecryptError
            | AlertDescription::NoCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
    )
}

/// A connection that remembers the [`verdict`] of the error that ended it, and is read to its end.
///
/// A peer that closes may have said much before: answers, a GOAWAY, an alert. They are there to be read, but the next
/// write fails first, and would end everything. So from then on writes go nowhere, and reading finds the end.
pub(super) struct Watched<S> {
    inner: S,
    seen: Arc<OnceLock<PushFailure>>,
    write_failed: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, seen: Arc<OnceLock<PushFailure>>) -> Self {
        Self {
            inner,
            seen,
            write_failed: false,
        }
    }

    fn note<T>(&self, polled: &Poll<io::Result<T>>) {
        if let Poll::Ready(Err(error)) = polled
            && let Some(verdict) = verdict(error)
        {
            // The first is the cause of those after it.
            let _ = self.seen.set(verdict);
        }
    }

    /// What a write came to; `nowhere` if it failed.
    fn wrote<T>(&mut self, polled: Poll<io::Result<T>>, nowhere: T) -> Poll<io::Result<T>> {
        self.note(&polled);
        if let Poll::Ready(Err(_)) = polled {
            self.write_failed = true;
            return Poll::Ready(Ok(nowhere));
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.note(&polled);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_failed {
            return Poll::Ready(Ok(bytes.len()));
        }
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(polled, bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.wrote(polled, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.wrote(polled, ())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bytes.iter().map(|slice| slice.len()).sum();
        if self.write_failed {
            return Poll::Ready(Ok(length));
        }
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.wrote(polled, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, join};

    use super::*;

    /// Takes nothing.
    struct Closed;

    impl AsyncWrite for Closed {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }

    #[tokio::test]
    async fn what_a_peer_said_before_it_closed_is_read_though_writing_fails() {
        let said = &b"GOAWAY"[..];
        let mut connection = Watched::new(join(said, Closed), Arc::default());
        connection.write_all(b"a push").await.unwrap();
        connection.flush().await.unwrap();
        let mut read = Vec::new();
        connection.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, said);
        connection.shutdown().await.unwrap();
    }
}
