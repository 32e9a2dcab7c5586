//! Check-in: each message of Apple's check-in protocol, sent as a device sends it.

use super::{Channel, Device, Push};
use crate::error::{At, Problem, Result, Step};
use crate::plists::{Dictionary, Keys, missing};
use crate::{Kind, encode, messages, random};

/// APNs device tokens have 32 bytes today.
const TOKEN_LENGTH: usize = 32;
/// Unlock tokens are opaque and run to a few kilobytes.
const UNLOCK_TOKEN_LENGTH: usize = 2048;

impl Device {
    /// The Authenticate message as this device would send it.
    pub fn authenticate_message(&self) -> Result<Dictionary> {
        let topic = &self.mdm(Step::Authenticate)?.topic;
        Ok(messages::authenticate(
            &self.ids(&Channel::Device),
            &self.hardware,
            &self.state.device_name,
            topic,
        ))
    }

    /// The TokenUpdate message of a channel; the first one makes the push token and magic.
    pub fn token_update_message(&mut self, channel: &Channel) -> Result<Dictionary> {
        let topic = self.mdm(Step::TokenUpdate)?.topic.clone();
        let is_mac = self.hardware.kind == Kind::Mac;
        if !is_mac && self.state.unlock_token.is_empty() {
            self.state.unlock_token = random::bytes(UNLOCK_TOKEN_LENGTH).at(Step::TokenUpdate)?;
        }
        let push = match self.push(channel)? {
            Some(push) => push,
            None => new_push()?,
        };
        let mut message = messages::token_update(&self.ids(channel), &topic, &push.token, &push.magic);
        if *channel == Channel::Device {
            if !is_mac {
                message.insert(
                    "UnlockToken".into(),
                    plist::Value::Data(self.state.unlock_token.clone()),
                );
            }
            if self.state.awaiting_configuration {
                message.insert("AwaitingConfiguration".into(), true.into());
            }
        }
        if let Channel::User(short_name) = channel
            && self
                .user_mut(short_name, Step::TokenUpdate)?
                .awaiting_configuration
        {
            message.insert("AwaitingConfiguration".into(), true.into());
        }
        if is_mac {
            message.insert("NotOnConsole".into(), false.into());
        }
        Ok(message)
    }

    /// Sends Authenticate.
    pub async fn authenticate(&mut self) -> Result<()> {
        let message = self.authenticate_message()?;
        self.check_in(Step::Authenticate, &message).await.map(drop)
    }

    /// Sends TokenUpdate on the device channel.
    pub async fn token_update(&mut self) -> Result<()> {
        let message = self.token_update_message(&Channel::Device)?;
        self.check_in(Step::TokenUpdate, &message).await?;
        self.state.push = Some(push_of(&message)?);
        Ok(())
    }

    /// Sends TokenUpdate on a user channel; HTTP 410 means that the server declines the user, which is no error.
    pub async fn user_token_update(&mut self, channel: &Channel) -> Result<()> {
        if *channel != Channel::Device {
            self.past_setup_assistant().at(Step::TokenUpdate)?;
        }
        let message = self.token_update_message(channel)?;
        let push = push_of(&message)?;
        let Channel::User(short_name) = channel else {
            return self.token_update().await;
        };
        let answer = self.check_in(Step::TokenUpdate, &message).await;
        let user = self.user_mut(short_name, Step::TokenUpdate)?;
        match answer {
            Err(error) if error.status() == Some(410) => user.declined = true,
            Err(error) => return Err(error),
            Ok(_) => (user.declined, user.push) = (false, Some(push)),
        }
        Ok(())
    }

    /// Replaces the push token of the device channel and reports it, as after a restore.
    pub async fn change_push_token(&mut self) -> Result<()> {
        self.state.push = Some(new_push()?);
        self.token_update().await
    }

    /// Sends CheckOut and forgets the enrollment, as a device whose user removes the profile. The message is best
    /// effort: the enrollment is gone even if it fails.
    pub async fn check_out(&mut self) -> Result<()> {
        let message = messages::check_out(&self.ids(&Channel::Device), &self.mdm(Step::CheckOut)?.topic);
        let wanted = self.mdm(Step::CheckOut)?.check_out_when_removed;
        let answer = if wanted {
            self.check_in(Step::CheckOut, &message).await.map(drop)
        } else {
            Ok(())
        };
        self.unenroll();
        answer
    }

    /// Sends the first UserAuthenticate of a Mac's network user. Answers the digest challenge; `None` when the server
    /// declines the user with HTTP 410.
    pub async fn user_authenticate(&mut self, channel: &Channel) -> Result<Option<String>> {
        let message = messages::user_authenticate(&self.ids(channel), None);
        match self.check_in(Step::UserAuthenticate, &message).await {
            Err(error) if error.status() == Some(410) => Ok(None),
            Err(error) => Err(error),
            Ok(response) if response.body.is_empty() => Ok(Some(String::new())),
            Ok(response) => Self::plist(&response)
                .and_then(|p| p.required_string("DigestChallenge"))
                .map(Some)
                .at(Step::UserAuthenticate),
        }
    }

    /// Sends the second UserAuthenticate and keeps the AuthToken; answers whether the server gave one.
    pub async fn user_authenticate_digest(&mut self, channel: &Channel, response: &str) -> Result<bool> {
        let message = messages::user_authenticate(&self.ids(channel), Some(response));
        let answer = self.check_in(Step::UserAuthenticate, &message).await?;
        let token = if answer.body.is_empty() {
            None
        } else {
            Self::plist(&answer)
                .and_then(|p| p.string("AuthToken"))
                .at(Step::UserAuthenticate)?
        };
        let token = token.filter(|t| !t.is_empty());
        let given = token.is_some();
        if let Channel::User(short_name) = channel {
            self.user_mut(short_name, Step::UserAuthenticate)?.auth_token = token;
        }
        Ok(given)
    }

    /// Escrows a new random bootstrap token.
    pub async fn set_bootstrap_token(&mut self) -> Result<Vec<u8>> {
        let token = random::bytes(32).at(Step::SetBootstrapToken)?;
        self.send_bootstrap_token(Some(&token)).await?;
        self.state.bootstrap_token = Some(encode::base64(&token));
        Ok(token)
    }

    /// Deletes the escrowed bootstrap token.
    pub async fn delete_bootstrap_token(&mut self) -> Result<()> {
        self.send_bootstrap_token(None).await?;
        self.state.bootstrap_token = None;
        Ok(())
    }

    async fn send_bootstrap_token(&mut self, token: Option<&[u8]>) -> Result<()> {
        self.offered("bootstraptoken", Step::SetBootstrapToken)?;
        let message = messages::set_bootstrap_token(&self.ids(&Channel::Device), token);
        self.check_in(Step::SetBootstrapToken, &message).await.map(drop)
    }

    /// Asks for the escrowed bootstrap token; `None` when the server has none.
    pub async fn get_bootstrap_token(&mut self) -> Result<Option<Vec<u8>>> {
        let step = Step::GetBootstrapToken;
        self.offered("bootstraptoken", step)?;
        let response = self
            .check_in(step, &messages::get_bootstrap_token(&self.ids(&Channel::Device)))
            .await?;
        if response.body.is_empty() {
            return Ok(None);
        }
        let token = Self::plist(&response)
            .and_then(|p| p.data("BootstrapToken"))
            .at(step)?;
        Ok(token.filter(|t| !t.is_empty()))
    }

    /// Asks for a token of a service; a refusal is an error with its status.
    pub async fn get_token(&mut self, service_type: &str, parameters: Option<Dictionary>) -> Result<Vec<u8>> {
        let message = messages::get_token(&self.ids(&Channel::Device), service_type, parameters);
        let response = self.check_in(Step::GetToken, &message).await?;
        let token =
            Self::plist(&response).and_then(|p| p.data("TokenData")?.ok_or_else(|| missing("TokenData")));
        token.at(Step::GetToken)
    }

    /// Asks whether to return to service after an erasure that the user began; answers the `ReturnToService` key.
    pub async fn return_to_service(&mut self) -> Result<Dictionary> {
        let step = Step::ReturnToService;
        let response = self
            .check_in(step, &messages::return_to_service(&self.ids(&Channel::Device)))
            .await?;
        let answer = Self::plist(&response).at(step)?;
        let inner = answer
            .dictionary("ReturnToService")
            .and_then(|d| d.cloned().ok_or_else(|| missing("ReturnToService")));
        let inner = inner.at(step)?;
        inner
            .boolean("Enabled")
            .and_then(|e| e.ok_or_else(|| missing("Enabled")))
            .at(step)?;
        Ok(inner)
    }

    fn offered(&self, capability: &str, step: Step) -> Result<()> {
        if self.mdm(step)?.offers(capability) {
            return Ok(());
        }
        Err(Problem::State(format!(
            "ServerCapabilities lacks com.apple.mdm.{capability}"
        )))
        .at(step)
    }

    fn push(&mut self, channel: &Channel) -> Result<Option<Push>> {
        match channel {
            Channel::Device => Ok(self.state.push.clone()),
            Channel::User(short_name) => Ok(self.user_mut(short_name, Step::TokenUpdate)?.push.clone()),
        }
    }
}

fn new_push() -> Result<Push> {
    Ok(Push {
        token: random::bytes(TOKEN_LENGTH).at(Step::TokenUpdate)?,
        magic: random::uuid(),
    })
}

fn push_of(message: &Dictionary) -> Result<Push> {
    let token = message.data("Token").at(Step::TokenUpdate)?.unwrap_or_default();
    Ok(Push {
        token,
        magic: message.required_string("PushMagic").at(Step::TokenUpdate)?,
    })
}
