//! tests

mod catalogue;
