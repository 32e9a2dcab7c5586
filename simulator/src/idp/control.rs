//! The provider's control endpoint, below `/_control/`, in JSON. For tests on loopback only.
//!
//! | Request | Meaning |
//! |---|---|
//! | `GET /_control/stats` | the counters, [`Stats`](super::Stats) |
//! | `PUT`, `DELETE /_control/fault` | a [`Fault`](super::Fault) in force from now on; none |
//! | `PUT /_control/people` | adds a [`Person`], or replaces whoever has the subject |
//! | `PUT /_control/signs-in` | `"username"`: who signs in next |
//! | `POST /_control/rotate` | signs with a new key from now on |

use std::sync::Mutex;

use hyper::Method;
use hyper::body::Incoming;
use serde_json::json;

use super::jws::SigningKey;
use super::{Person, State};
use crate::endpoint::{Answer, locked, missing, parse, to_json};

pub(super) async fn respond(state: &Mutex<State>, method: &Method, path: &str, body: Incoming) -> Answer {
    let what = path.trim_start_matches("/_control/");
    match (method, what) {
        (&Method::GET, "stats") => to_json(locked(state).stats),
        (&Method::PUT, "fault") => {
            let fault = parse(body).await?;
            locked(state).fault = Some(fault);
            to_json(fault)
        }
        (&Method::DELETE, "fault") => {
            locked(state).fault = None;
            Ok(json!({}))
        }
        (&Method::PUT, "people") => {
            let person: Person = parse(body).await?;
            let answer = to_json(&person);
            let mut state = locked(state);
            state.settings.people.retain(|one| one.subject != person.subject);
            state.settings.people.push(person);
            answer
        }
        (&Method::PUT, "signs-in") => {
            let name: String = parse(body).await?;
            locked(state).signs_in = Some(name);
            Ok(json!({}))
        }
        (&Method::POST, "rotate") => {
            let key = SigningKey::generate()?;
            locked(state).key = key;
            Ok(json!({}))
        }
        _ => Err(missing(path)),
    }
}
