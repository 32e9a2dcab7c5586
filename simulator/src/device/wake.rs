//! Push: a device listens for the tokens of its channels, and connects when it is woken with the right PushMagic.

use super::{Channel, Device, Push};
use crate::apns::{Courier, Wake};
use crate::device::Handled;
use crate::error::Result;

impl Device {
    /// Listens for pushes to the device and to its users. To be repeated when tokens changed, which does no harm when
    /// they did not.
    pub fn listen(&self, courier: &Courier) {
        let Some(enrollment) = &self.enrollment else {
            return;
        };
        for (_, push) in self.pushes() {
            courier.subscribe(&push.token, &enrollment.mdm.topic);
        }
    }

    /// The channel that this push is for; `None` when the token is not the device's, or the magic is wrong, which is
    /// counted in [`crate::device::State::wrong_magics`].
    pub fn woken_by(&mut self, wake: &Wake) -> Option<Channel> {
        let (channel, push) = self.pushes().find(|(_, push)| push.token == wake.token)?;
        if push.magic == wake.magic {
            return Some(channel);
        }
        self.state.wrong_magics += 1;
        None
    }

    /// Listens until a push comes with the right magic, and answers the channel it is for. Pushes to others that use
    /// the same courier are lost.
    pub async fn wait_for_wake(&mut self, courier: &Courier) -> Channel {
        self.listen(courier);
        loop {
            let wake = courier.next().await;
            if let Some(channel) = self.woken_by(&wake) {
                return channel;
            }
        }
    }

    /// Waits for a push, then connects on its channel and handles commands until there are none.
    pub async fn connect_when_woken(&mut self, courier: &Courier) -> Result<Vec<Handled>> {
        let channel = self.wait_for_wake(courier).await;
        let handled = self.connect_on(&channel).await;
        // The conversation may have brought new tokens.
        self.listen(courier);
        handled
    }

    /// The channels that can be woken, and how.
    pub fn pushes(&self) -> impl Iterator<Item = (Channel, &Push)> {
        let device = self.state.push.iter().map(|push| (Channel::Device, push));
        let users = self.state.users.iter();
        device.chain(users.filter_map(|u| Some((Channel::User(u.short_name.clone()), u.push.as_ref()?))))
    }
}
