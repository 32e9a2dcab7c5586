//! Server tokens through the operator's door: the native resources, and NanoDEP's API as its clients use it.

mod files;
mod nanodep;
mod native;

/// A server token's year.
const NEXT_YEAR: &str = "2099-12-01T00:00:00Z";
