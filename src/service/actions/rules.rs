//! Who may do what to which device. Pure: a refusal is said before anything is queued.

use crate::{
    error::{Code, Error, FieldProblem, Result},
    protocol::{
        actions::{Action, InstallApp, Wipe},
        catalogue::{OsVersion, Platform, Reason, objections},
        command::Draft,
    },
    service::{
        access::Scope,
        commands::{platform, target},
    },
    storage::{EnrollmentRow, EnrollmentState},
};

/// The scope that an action takes.
pub fn scope(action: &Action) -> Scope {
    match action {
        Action::ListProfiles
        | Action::Locate
        | Action::Lock(_)
        | Action::LogOut
        | Action::LostModeOff
        | Action::LostModeOn(_)
        | Action::PlaySound
        | Action::Refresh
        | Action::Release
        | Action::Rename(_)
        | Action::Restart(_) => Scope::Support,
        Action::BypassCode
        | Action::ClearPasscode
        | Action::Delete(_)
        | Action::InstallApp(_)
        | Action::InstallProfile(_)
        | Action::RemoveProfile(_)
        | Action::Retire(_)
        | Action::ShutDown
        | Action::Wipe(_) => Scope::Command,
    }
}

/// Whether a User Enrollment takes it (requirement U1): retire, delete, lock and refresh of the actions on devices; and
/// what is deployed to it, with rules of its own (U3, U5, U6).
fn suits_user_enrollment(action: &Action) -> bool {
    matches!(
        action,
        Action::Delete(_)
            | Action::InstallApp(_)
            | Action::InstallProfile(_)
            | Action::ListProfiles
            | Action::Lock(_)
            | Action::Refresh
            | Action::RemoveProfile(_)
            | Action::Retire(_)
    )
}

/// Refuses what this enrollment can't or must not do. `drafts` are the commands that it would come to; of those that only
/// ask for information, the ones that can't be asked are left out.
pub(super) fn check(action: &Action, row: &EnrollmentRow, drafts: &mut Vec<Draft>) -> Result<()> {
    let record = &row.record;
    let is_deletion = matches!(action, Action::Delete(_));
    if record.state == EnrollmentState::CheckedOut && !is_deletion {
        return Err(Error::with(Code::EnrollmentLeft, &record.id));
    }
    if record.kind.is_user_enrollment() && !suits_user_enrollment(action) {
        return Err(Error::with(Code::UserEnrollmentForbids, action.verb()));
    }
    if record.id.is_user_channel() && matches!(action, Action::Delete(_) | Action::Retire(_)) {
        let detail = format!(
            "{} names a user; name the device {}",
            record.id,
            record.id.device()
        );
        return Err(Error::with(Code::ActionUnsupported, detail));
    }
    fields(action, platform(row))?;
    let target = target(row);
    let mut refused = None;
    drafts.retain(|draft| {
        let objection = objections(draft.request_type, &target).into_iter().next();
        let stays = objection.is_none();
        refused = refused.take().or(objection);
        stays
    });
    if let Some(objection) = refused
        && (drafts.is_empty() || *action != Action::Refresh)
    {
        let code = match objection.reason {
            Reason::AutomatedEnrollment | Reason::Supervision => Code::SupervisionNeeded,
            Reason::UserEnrollment => Code::UserEnrollmentForbids,
            _ => Code::ActionUnsupported,
        };
        return Err(Error::with(code, objection));
    }
    match action {
        Action::ClearPasscode if record.unlock_token.is_none() => {
            Err(Error::with(Code::UnlockTokenMissing, &record.id))
        }
        Action::InstallApp(app) if record.kind.is_user_enrollment() => personal_app(app),
        Action::LogOut if !may_be_shared_ipad(row) => Err(Error::with(
            Code::ActionUnsupported,
            "only a Shared iPad has users that are logged out",
        )),
        Action::Rename(_) if target.supervised == Some(false) && platform(row) != Some(Platform::Macos) => {
            Err(Error::with(
                Code::SupervisionNeeded,
                "only a Mac is renamed without",
            ))
        }
        Action::Wipe(wipe) => check_return(wipe, row),
        _ => Ok(()),
    }
}

/// Refuses parameters that are for another platform than the device's.
fn fields(action: &Action, platform: Option<Platform>) -> Result<()> {
    let Some(platform) = platform else { return Ok(()) };
    let (mac, ios) = (platform == Platform::Macos, platform == Platform::Ios);
    let given = match action {
        Action::Lock(lock) => vec![("pin", lock.pin.is_some() && !mac)],
        Action::Restart(restart) => vec![
            ("notify_user", restart.notify_user && !mac),
            ("rebuild_kernel_cache", restart.rebuild_kernel_cache && !mac),
        ],
        Action::Wipe(wipe) => vec![
            ("pin", wipe.pin.is_some() && !mac),
            (
                "obliteration_behavior",
                wipe.obliteration_behavior.is_some() && !mac,
            ),
            ("disallow_proximity_setup", wipe.disallow_proximity_setup && !ios),
            ("preserve_data_plan", wipe.preserve_data_plan && !ios),
        ],
        _ => Vec::new(),
    };
    let wrong: Vec<FieldProblem> = given
        .into_iter()
        .filter(|(_, wrong)| *wrong)
        .map(|(field, _)| FieldProblem {
            fields: vec![field.into()],
            problem: format!("does not go with {platform}"),
        })
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::of_fields(Code::FieldInvalid, wrong))
    }
}

/// Which apps a person's device takes (requirement U5). Who a licence belongs to is not in the command.
fn personal_app(app: &InstallApp) -> Result<()> {
    let detail = if app.take_over {
        "an app that its user has installed stays theirs"
    } else if app.manifest_url.is_none() && !app.licensed {
        "apps of the App Store need a licence for their user (licensed)"
    } else {
        return Ok(());
    };
    Err(Error::with(Code::UserEnrollmentForbids, detail))
}

fn may_be_shared_ipad(row: &EnrollmentRow) -> bool {
    let product = row.device.product_name.as_deref().or(row.device.model.as_deref());
    product.is_none_or(|product| product.starts_with("iPad"))
}

/// Which devices return to service: since iOS 17 and tvOS 18.
fn check_return(wipe: &Wipe, row: &EnrollmentRow) -> Result<()> {
    if wipe.return_to_service.is_none() {
        return Ok(());
    }
    let since = match platform(row) {
        Some(Platform::Ios) => 17,
        Some(Platform::Tvos) => 18,
        Some(other) => {
            let detail = format!("{other} does not return to service");
            return Err(Error::with(Code::ActionUnsupported, detail));
        }
        None => return Ok(()),
    };
    match row.device.os_version.as_deref().and_then(OsVersion::parse) {
        Some(version) if version.major < since => {
            let detail = format!("returning to service needs version {since}; the device reports {version}");
            Err(Error::with(Code::ActionUnsupported, detail))
        }
        _ => Ok(()),
    }
}
