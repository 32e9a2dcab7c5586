//! The listeners: TLS and its certificates, proxies, time and size limits, and how they end.

mod drain;
mod limits;
mod operator;
mod proxy;
mod tls;
