//! What both doors stand on: listening, TLS, connections and their limits, bounded bodies, one log line a request.

pub mod body;
pub mod log;
pub mod serve;
pub mod tls;
