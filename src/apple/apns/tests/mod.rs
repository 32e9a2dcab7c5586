//! The client against a peer that does anything a peer may do, and some things that it may not.

mod answers;
mod connections;
mod identities;
mod interruptions;
mod secrets;
