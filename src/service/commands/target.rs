//! An enrollment as Apple's catalogue sees it.

use crate::{
    protocol::catalogue::{OsVersion, Platform, Target},
    storage::EnrollmentRow,
};

/// The enrollment, as far as it is known.
pub(in crate::service) fn target(row: &EnrollmentRow) -> Target<'_> {
    let personal = row.record.kind.is_user_enrollment();
    let ade = row.record.ade.as_ref();
    Target {
        enrollment: &row.record.id,
        kind: row.record.kind,
        platform: platform(row),
        os_version: row.device.os_version.as_deref().and_then(OsVersion::parse),
        // A User Enrollment is never supervised.
        supervised: if personal {
            Some(false)
        } else {
            ade.map(|ade| ade.supervised)
        },
        automated_enrollment: ade.map(|_| true),
        shared_ipad: None,
        access_rights: None,
    }
}

/// The device's platform, by its hardware.
pub(in crate::service) fn platform(row: &EnrollmentRow) -> Option<Platform> {
    let product = row.device.product_name.as_deref().or(row.device.model.as_deref());
    product.and_then(Platform::from_product_name)
}
