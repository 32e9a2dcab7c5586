//! The embedded backend, on sled.
