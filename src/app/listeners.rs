//! The addresses that the server listens at.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, UnixListener};

use super::StartError;
use crate::{config::Config, operator::client::SOCKET};

/// Bound listeners. Port 0 has become a real one.
#[derive(Debug)]
pub struct Listeners {
    pub(super) device: TcpListener,
    pub(super) operator: TcpListener,
    pub(super) local: Option<(UnixListener, PathBuf)>,
    /// Where devices connect.
    pub device_address: SocketAddr,
    /// Where operators connect.
    pub operator_address: SocketAddr,
}

impl Listeners {
    /// Binds both addresses.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        let device = bind(config.server.device_listen).await?;
        let operator = bind(config.server.operator_listen).await?;
        let device_address = device.local_addr().unwrap_or(config.server.device_listen);
        let operator_address = operator.local_addr().unwrap_or(config.server.operator_listen);
        Ok(Self {
            device,
            operator,
            local: None,
            device_address,
            operator_address,
        })
    }

    /// Binds the local socket in the data directory too. Only for whoever holds the store's lock.
    pub fn with_local_socket(self, data_dir: &Path) -> Self {
        Self {
            local: local_socket(data_dir),
            ..self
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Bind {
        address: address.to_string(),
        source,
    };
    TcpListener::bind(address).await.map_err(failed)
}

/// The socket is a convenience: a path that is too long for one must not keep the server from starting.
fn local_socket(data_dir: &Path) -> Option<(UnixListener, PathBuf)> {
    use std::os::unix::fs::PermissionsExt as _;

    let path = data_dir.join(SOCKET);
    // A socket left by a server that was killed; the store's lock has told that no other one runs.
    let _ = fs::remove_file(&path);
    match UnixListener::bind(&path) {
        Ok(listener) => {
            let private = fs::set_permissions(&path, fs::Permissions::from_mode(0o600));
            private.is_ok().then_some((listener, path))
        }
        Err(error) => {
            tracing::warn!(%error, "no local socket; the command line needs --server and a key");
            None
        }
    }
}
