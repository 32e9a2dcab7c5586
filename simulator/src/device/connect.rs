//! The command loop: `Idle`, command, result, and so on until an empty body (Apple: *Sending MDM commands to a device*).

use super::apply::{After, Answer};
use super::transport::SERVER_TYPE;
use super::{Channel, Device, Endpoint};
use crate::error::{At, Error, Problem, Result, Step};
use crate::http::Response;
use crate::plists::{self, Dictionary, Keys, missing};
use crate::{encode, messages};

/// A conversation longer than this is taken for an endless one.
const MAX_COMMANDS: usize = 10_000;

/// The status of a result.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub enum Status {
    Acknowledged,
    CommandFormatError,
    Error,
    NotNow,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "Acknowledged",
            Self::CommandFormatError => "CommandFormatError",
            Self::Error => "Error",
            Self::NotNow => "NotNow",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A command that came, and what the device answered.
#[derive(Clone, Debug)]
pub struct Handled {
    /// `CommandUUID`
    pub command_uuid: String,
    /// `RequestType`
    pub request_type: String,
    /// The `Command` dictionary.
    pub command: Dictionary,
    /// The status sent.
    pub status: Status,
    /// The whole result.
    pub result: Dictionary,
}

impl Device {
    /// Connects on the device channel and handles commands until there are none.
    pub async fn connect(&mut self) -> Result<Vec<Handled>> {
        self.connect_on(&Channel::Device).await
    }

    /// Connects on a channel and handles commands until there are none. A result that an earlier connection could not
    /// deliver is sent instead of `Idle`. What was handled before an error is in [`Device::handled`].
    pub async fn connect_on(&mut self, channel: &Channel) -> Result<Vec<Handled>> {
        self.handled.clear();
        if *channel != Channel::Device {
            self.past_setup_assistant().at(Step::Command)?;
        }
        let erasures = self.state.erasures;
        let wants_declarations = self.converse(channel).await?;
        if self.state.erasures > erasures
            && let Some(profile) = self.state.return_to_service.take()
        {
            return self.return_with(&profile).await;
        }
        if let Some(data) = wants_declarations {
            self.synchronise_after(channel, data).await;
        }
        if self.is_held() && !self.state.awaiting_configuration {
            self.leave_setup_assistant().await?;
        }
        Ok(self.handled.clone())
    }

    /// Comes back from an erasure by itself, with the profile that it was given on its way.
    async fn return_with(&mut self, profile: &str) -> Result<Vec<Handled>> {
        let handled = self.handled.clone();
        let profile = openssl::base64::decode_block(profile).at(Step::InstallProfile)?;
        self.enroll_with(&profile).await?;
        Ok(handled)
    }

    /// The conversation; answers the data of a `DeclarativeManagement` command that was among the commands.
    async fn converse(&mut self, channel: &Channel) -> Result<Option<Option<Vec<u8>>>> {
        let mut declarations = None;
        let mut response = self.open_conversation(channel).await?;
        for _ in 0..MAX_COMMANDS {
            let Some((command_uuid, command)) = self.next_command(&response).at(Step::Command)? else {
                return Ok(declarations);
            };
            let request_type = command.required_string("RequestType").at(Step::Command)?;
            let answer = self.answer(channel, &request_type, &command).await?;
            let Answer { status, keys, after } = answer;

            let mut result = messages::result(&self.ids(channel), &command_uuid, status.as_str());
            result.extend(keys);
            if let Some(extra) = self.behaviour.results.get(&request_type) {
                result.extend(extra.clone());
            }
            self.handled.push(Handled {
                command_uuid,
                request_type,
                command,
                status,
                result: result.clone(),
            });
            if let Some(delay) = self.behaviour.delay {
                tokio::time::sleep(delay).await;
            }

            let delivered = self.deliver(channel, &result).await;
            match after {
                After::Synchronise(data) => declarations = Some(data),
                After::Unenroll => {
                    // Best effort and never retried, as Apple says of CheckOut.
                    let _ = self.check_out().await;
                    return Ok(declarations);
                }
                After::Nothing | After::Erase | After::Restart | After::ShutDown => {
                    if self.finish(after) {
                        return Ok(declarations);
                    }
                }
            }
            match delivered? {
                Some(next) => response = next,
                None => return Ok(declarations),
            }
        }
        Err(Problem::protocol(format!(
            "more than {MAX_COMMANDS} commands in one conversation"
        )))
        .at(Step::Command)
    }

    async fn open_conversation(&mut self, channel: &Channel) -> Result<Response> {
        let unsent = self
            .state
            .channels
            .get(&channel.key())
            .and_then(|c| c.unsent.clone());
        let body = match &unsent {
            Some(result) => openssl::base64::decode_block(result).at(Step::Command)?,
            None => plists::encode(&messages::idle(&self.ids(channel))).at(Step::Command)?,
        };
        let response = self
            .put(Endpoint::Server, Step::Command, SERVER_TYPE, body)
            .await?;
        self.keep_unsent(channel, None);
        Ok(response)
    }

    /// Sends a result; `None` when the device hung up before the answer. Until an answer of 200 the result is kept.
    async fn deliver(&mut self, channel: &Channel, result: &Dictionary) -> Result<Option<Response>> {
        let body = plists::encode(result).at(Step::Command)?;
        self.keep_unsent(channel, Some(encode::base64(&body)));
        if self.behaviour.hang_up > 0 {
            self.behaviour.hang_up -= 1;
            self.put_and_hang_up(Step::Command, body).await?;
            return Ok(None);
        }
        if self.behaviour.duplicate_results {
            self.put(Endpoint::Server, Step::Command, SERVER_TYPE, body.clone())
                .await?;
        }
        let response = self
            .put(Endpoint::Server, Step::Command, SERVER_TYPE, body)
            .await?;
        self.keep_unsent(channel, None);
        Ok(Some(response))
    }

    fn keep_unsent(&mut self, channel: &Channel, result: Option<String>) {
        if result.is_some() || self.state.channels.contains_key(&channel.key()) {
            self.state.channels.entry(channel.key()).or_default().unsent = result;
        }
    }

    /// The command in an answer; `None` for the empty body that ends the conversation.
    fn next_command(&self, response: &Response) -> Result<Option<(String, Dictionary)>, Problem> {
        if response.body.is_empty() {
            return Ok(None);
        }
        let response = response.clone().expect_type(&["application/xml"])?;
        let message = Self::plist(&response)?;
        let uuid = message.required_string("CommandUUID")?;
        let command = message
            .dictionary("Command")?
            .ok_or_else(|| missing("Command"))?
            .clone();
        match self.handled.last() {
            Some(last) if last.status == Status::NotNow && last.command_uuid == uuid => Err(
                Problem::Protocol(format!("command {uuid} came again in answer to its NotNow")),
            ),
            _ => Ok(Some((uuid, command))),
        }
    }

    async fn answer(
        &mut self,
        channel: &Channel,
        request_type: &str,
        command: &Dictionary,
    ) -> Result<Answer> {
        if self.behaviour.takes_not_now(request_type) {
            return Ok(Answer::of(Status::NotNow));
        }
        if self.behaviour.format_error(request_type) {
            return Ok(Answer::of(Status::CommandFormatError));
        }
        if let Some(chain) = self.behaviour.error(request_type) {
            return Ok(Answer::error(chain));
        }
        if let Some(objection) = self.objection(channel, request_type) {
            return Ok(Answer::error(vec![objection]));
        }
        match self.perform(channel, request_type, command).await {
            Ok(answer) => Ok(answer),
            // A key that is absent or of the wrong type makes the command malformed.
            Err(Error {
                step: Step::Command,
                problem: Problem::Protocol(_),
            }) => Ok(Answer::of(Status::CommandFormatError)),
            Err(error) => Err(error),
        }
    }
}
